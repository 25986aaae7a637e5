#include "transform/changes.h"

#include "base/text.h"
#include "client/head_check.h"

#include <string.h>

const char *const change_names[CHANGES] = { "remove", "rename", "replace", "add", "append" };

bool change_has_value(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon && colon > text && colon[1];
}

bool change_is_header(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 128;
}

bool change_is_header_pair(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon && is_token(text, (size_t)(colon - text)) && change_is_header(colon + 1);
}

bool change_is_header_value(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon && colon[1] && is_token(text, (size_t)(colon - text)) && is_field_value(colon + 1, strlen(colon + 1));
}

/* "NAME:VALUE"; the value is NULL where there is none. */
static char *split(h2o_mem_pool_t *pool, struct arena *arena, const char *item, const char **value)
{
    const char *colon = strchr(item, ':');
    size_t size = colon ? (size_t)(colon - item) : strlen(item);
    *value = colon ? colon + 1 : NULL;
    return pool ? h2o_strdup(pool, item, size).base : arena_memdup(arena, item, size);
}

static char *lower(h2o_mem_pool_t *pool, const char *text)
{
    h2o_iovec_t out = h2o_strdup(pool, text, SIZE_MAX);
    lower_copy(out.base, out.base, out.len);
    return out.base;
}

static void change_header(struct header_edit *edit, enum change change, const char *name, const char *value)
{
    switch (change) {
    case CHANGE_REMOVE:
        header_edit_remove(edit, name);
        break;
    case CHANGE_RENAME:
        header_edit_rename(edit, name, lower(edit->pool, value));
        break;
    case CHANGE_REPLACE:
        header_edit_replace(edit, name, value);
        break;
    case CHANGE_ADD:
        header_edit_add(edit, name, value);
        break;
    default:
        header_edit_append(edit, name, value);
    }
}

void change_headers(struct header_edit *edit, enum change change, const struct texts *list, change_value_fn *value_of,
                    void *self)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *value, *name = lower(edit->pool, split(edit->pool, NULL, list->items[i], &value));
        if (change > CHANGE_RENAME && value_of)
            value = value_of(self, value, i);
        if (value || change == CHANGE_REMOVE)
            change_header(edit, change, name, value);
    }
}

static void change_pair(struct pairs *pairs, enum change change, const char *name, const char *value)
{
    switch (change) {
    case CHANGE_REMOVE:
        pairs_remove(pairs, name);
        break;
    case CHANGE_RENAME:
        pairs_rename(pairs, name, value);
        break;
    case CHANGE_REPLACE:
        pairs_replace(pairs, name, value);
        break;
    case CHANGE_ADD:
        pairs_add(pairs, name, value);
        break;
    default:
        pairs_append(pairs, name, value);
    }
}

void change_pairs(struct pairs *pairs, enum change change, const struct texts *list, change_value_fn *value_of,
                  void *self)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *value, *name = split(NULL, pairs->arena, list->items[i], &value);
        if (change > CHANGE_RENAME && value_of)
            value = value_of(self, value, i);
        if (value || change == CHANGE_REMOVE)
            change_pair(pairs, change, name, value);
    }
}
