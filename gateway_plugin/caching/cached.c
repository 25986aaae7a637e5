#include "caching/cached.h"

#include "base/text.h"
#include "exchange/forward_rules.h"
#include "must.h"

#include <stdio.h>
#include <string.h>

struct cached *cached_mark(enum cached_kind kind, const char *key, const char *vary)
{
    struct cached *cached = must(calloc(1, sizeof *cached));
    cached->references = 1;
    cached->kind = kind;
    snprintf(cached->key, sizeof cached->key, "%s", key);
    cached->vary = vary ? must(strdup(vary)) : NULL;
    cached->cost = sizeof *cached + (vary ? strlen(vary) : 0);
    return cached;
}

struct cached *cached_ref(struct cached *cached)
{
    atomic_fetch_add(&cached->references, 1);
    return cached;
}

void cached_unref(struct cached *cached)
{
    if (!cached || atomic_fetch_sub(&cached->references, 1) > 1)
        return;
    for (size_t i = 0; i < cached->field_count; i++)
        free((char *)cached->fields[i].name);
    free(cached->fields);
    free(cached->vary);
    free(cached->body);
    free(cached);
}

static bool is(const struct reply_field *field, const char *name)
{
    return field->name_size == strlen(name) && same_text(field->name, name, field->name_size);
}

static bool stays(const struct reply_head *head, const struct reply_field *field)
{
    if (reply_action(field->name, field->name_size) != PASS || is(field, "age"))
        return false;
    for (size_t i = 0; i < head->count; i++)
        if (is(&head->fields[i], "connection") &&
            list_names(head->fields[i].value, head->fields[i].value_size, field->name, field->name_size))
            return false;
    return true;
}

/* Name and value in one piece of memory. */
static struct reply_field copy_field(const struct reply_field *field)
{
    char *text = must(malloc(field->name_size + field->value_size + 1));
    lower_copy(text, field->name, field->name_size);
    char *value = text + field->name_size;
    if (field->value_size)
        memcpy(value, field->value, field->value_size);
    return (struct reply_field){ text, field->name_size, value, field->value_size };
}

struct cached *cached_create(const char *key, const struct reply_head *head)
{
    struct cached *cached = cached_mark(CACHED_ANSWER, key, NULL);
    cached->status = head->status;
    cached->length = head->length;
    cached->fields = must(calloc(head->count + 1, sizeof *cached->fields));
    cached->cost += (head->count + 1) * sizeof *cached->fields;
    for (size_t i = 0; i < head->count; i++) {
        if (!stays(head, &head->fields[i]))
            continue;
        cached->fields[cached->field_count++] = copy_field(&head->fields[i]);
        cached->cost += head->fields[i].name_size + head->fields[i].value_size + 32;
    }
    return cached;
}

bool cached_add(struct cached *cached, const char *data, size_t size, size_t most)
{
    if (cached->size + size > most)
        return false;
    if (cached->size + size > cached->room) {
        size_t room = cached->room ? cached->room * 2 : 4096;
        while (room < cached->size + size)
            room *= 2;
        /* The head told how much it is. */
        if (!cached->room && cached->length <= most && cached->length >= size)
            room = cached->length;
        cached->body = must(realloc(cached->body, room));
        cached->cost += room - cached->room;
        cached->room = room;
    }
    memcpy(cached->body + cached->size, data, size);
    cached->size += size;
    return true;
}

const struct reply_field *cached_field(const struct cached *cached, const char *name)
{
    for (size_t i = 0; i < cached->field_count; i++)
        if (is(&cached->fields[i], name))
            return &cached->fields[i];
    return NULL;
}

int64_t cached_age_ms(const struct cached *cached, int64_t now_ms)
{
    return cached->age_ms + now_ms - cached->stored_ms;
}
