#include "transform/pairs.h"

#include <string.h>

const struct pair *pairs_find(const struct pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++)
        if (strcmp(pairs->items[i].name, name) == 0)
            return &pairs->items[i];
    return NULL;
}

static void drop_at(struct pairs *pairs, size_t i)
{
    memmove(pairs->items + i, pairs->items + i + 1, (--pairs->count - i) * sizeof *pairs->items);
    pairs->changed = true;
}

void pairs_remove(struct pairs *pairs, const char *name)
{
    for (size_t i = pairs->count; i-- > 0;)
        if (strcmp(pairs->items[i].name, name) == 0)
            drop_at(pairs, i);
}

void pairs_rename(struct pairs *pairs, const char *from, const char *to)
{
    if (!pairs_find(pairs, from) || strcmp(from, to) == 0)
        return;
    pairs_remove(pairs, to);
    for (size_t i = 0; i < pairs->count; i++) {
        struct pair *pair = &pairs->items[i];
        if (strcmp(pair->name, from) == 0) {
            pair->name = to;
            pair->raw = NULL;
        }
    }
    pairs->changed = true;
}

static void set_value(struct pairs *pairs, struct pair *pair, const char *value)
{
    pair->value = value;
    pair->size = strlen(value);
    pair->raw = NULL;
    pairs->changed = true;
}

void pairs_replace(struct pairs *pairs, const char *name, const char *value)
{
    bool done = false;
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) != 0)
            continue;
        if (done)
            drop_at(pairs, i--);
        else
            set_value(pairs, &pairs->items[i], value);
        done = true;
    }
}

struct pair *pairs_put(struct pairs *pairs)
{
    if (pairs->count == pairs->room) {
        size_t room = pairs->room ? pairs->room * 2 : 16;
        struct pair *items = arena_array(pairs->arena, struct pair, room);
        if (pairs->count)
            memcpy(items, pairs->items, pairs->count * sizeof *items);
        pairs->items = items;
        pairs->room = room;
    }
    return &pairs->items[pairs->count++];
}

static void put_last(struct pairs *pairs, const char *name, const char *value)
{
    struct pair *pair = pairs_put(pairs);
    pair->name = name;
    set_value(pairs, pair, value);
}

void pairs_add(struct pairs *pairs, const char *name, const char *value)
{
    if (!pairs_find(pairs, name))
        put_last(pairs, name, value);
}

static const char *json_list(struct pairs *pairs, const struct pair *old, const char *value)
{
    const char *text = old ? old->value : "[]";
    size_t size = old ? old->size : 2;
    if (*text != '[' || text[size - 1] != ']')
        return arena_printf(pairs->arena, "[%.*s,%s]", (int)size, text, value);
    size_t inside = size - 1; /* without the bracket */
    while (strchr(" \t\r\n", text[inside - 1]))
        inside--;
    return arena_printf(pairs->arena, "%.*s%s%s]", (int)inside, text, inside > 1 ? "," : "", value);
}

void pairs_append(struct pairs *pairs, const char *name, const char *value)
{
    struct pair *old = (struct pair *)pairs_find(pairs, name);
    if (pairs->kind != PAIRS_JSON)
        put_last(pairs, name, value);
    else if (old)
        set_value(pairs, old, json_list(pairs, old, value));
    else
        put_last(pairs, name, json_list(pairs, NULL, value));
}
