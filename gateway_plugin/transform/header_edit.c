#include "transform/header_edit.h"

#include "exchange/forward_rules.h"

#include <string.h>

static bool is_named(const h2o_header_t *header, const char *name)
{
    size_t size = strlen(name);
    return header->name->len == size && same_text(header->name->base, name, size);
}

bool header_edit_has(const struct header_edit *edit, const char *name)
{
    for (size_t i = 0; i < edit->headers->size; i++)
        if (is_named(&edit->headers->entries[i], name))
            return true;
    return false;
}

void header_edit_remove(struct header_edit *edit, const char *name)
{
    h2o_headers_t *headers = edit->headers;
    size_t kept = 0;
    for (size_t i = 0; i < headers->size; i++)
        if (!is_named(&headers->entries[i], name))
            headers->entries[kept++] = headers->entries[i];
    headers->size = kept;
}

void header_edit_append(struct header_edit *edit, const char *name, const char *value)
{
    h2o_add_header_by_str(edit->pool, edit->headers, name, strlen(name), 1, NULL, value, strlen(value));
}

void header_edit_rename(struct header_edit *edit, const char *from, const char *to)
{
    if (!header_edit_has(edit, from) || strcmp(from, to) == 0)
        return;
    header_edit_remove(edit, to);
    h2o_headers_t *headers = edit->headers;
    size_t count = headers->size;
    for (size_t i = 0; i < count; i++) {
        if (!is_named(&headers->entries[i], from))
            continue;
        h2o_iovec_t value = headers->entries[i].value;
        h2o_add_header_by_str(edit->pool, headers, to, strlen(to), 1, NULL, value.base, value.len);
    }
    header_edit_remove(edit, from);
}

void header_edit_replace(struct header_edit *edit, const char *name, const char *value)
{
    if (!header_edit_has(edit, name))
        return;
    header_edit_remove(edit, name);
    header_edit_append(edit, name, value);
}

void header_edit_add(struct header_edit *edit, const char *name, const char *value)
{
    if (!header_edit_has(edit, name))
        header_edit_append(edit, name, value);
}
