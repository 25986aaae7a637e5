/* Pairs from text and back. */
#include "transform/pairs.h"

#include "base/percent.h"
#include "transform/multipart.h"

#include <jansson.h>
#include <string.h>

enum { DEPTH_MAX = 512 };

/* JSON */

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

/* After the closing quote; NULL: there is none. `at` is at the opening one. */
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\')
            at++;
    return at < end ? at + 1 : NULL;
}

/* After the value; NULL: it has no end. */
static const char *skip_value(const char *at, const char *end)
{
    char closers[DEPTH_MAX];
    size_t depth = 0;
    const char *begin = at;
    for (; at && at < end; at = *at == '"' ? skip_string(at, end) : at + 1) {
        if (*at == '{' || *at == '[') {
            if (depth == DEPTH_MAX)
                return NULL;
            closers[depth++] = *at == '{' ? '}' : ']';
        } else if (*at == '}' || *at == ']') {
            if (!depth)
                return at > begin ? at : NULL; /* of the object around it */
            if (closers[--depth] != *at)
                return NULL;
        } else if (!depth && *at == ',') {
            return at > begin ? at : NULL;
        }
    }
    return NULL;
}

/* The text between the quotes, decoded. NULL: malformed. */
static const char *decode_string(struct arena *arena, const char *at, const char *after)
{
    if (!memchr(at, '\\', (size_t)(after - at)))
        return arena_memdup(arena, at + 1, (size_t)(after - at) - 2);
    json_t *text = json_loadb(at, (size_t)(after - at), JSON_DECODE_ANY, NULL);
    const char *out = text ? arena_strdup(arena, json_string_value(text)) : NULL;
    json_decref(text);
    return out;
}

/* One member; *at moves to what follows it. */
static bool read_member(struct pairs *pairs, const char **at, const char *end)
{
    const char *begin = *at, *colon = begin < end && *begin == '"' ? skip_string(begin, end) : NULL;
    if (!colon)
        return false;
    const char *name = decode_string(pairs->arena, begin, colon);
    colon = skip_space(colon, end);
    if (!name || colon == end || *colon != ':')
        return false;
    const char *value = skip_space(colon + 1, end), *after = skip_value(value, end);
    if (!after)
        return false;
    *at = after;
    while (strchr(" \t\r\n", after[-1]))
        after--;
    *pairs_put(pairs) = (struct pair){ name, value, (size_t)(after - value), begin, (size_t)(after - begin) };
    return true;
}

bool pairs_read_json(struct pairs *pairs, struct arena *arena, const char *data, size_t size)
{
    const char *at = skip_space(data, data + size), *end = data + size;
    *pairs = (struct pairs){ .arena = arena, .kind = PAIRS_JSON };
    if (at == end || *at != '{' || memchr(data, 0, size))
        return false;
    at = skip_space(at + 1, end);
    if (at < end && *at == '}')
        return skip_space(at + 1, end) == end;
    while (pairs->count < PAIRS_MAX && read_member(pairs, &at, end)) {
        if (*at == '}')
            return skip_space(at + 1, end) == end;
        if (*at != ',')
            return false;
        at = skip_space(at + 1, end);
    }
    return false;
}

static void write_json(const struct pairs *pairs, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        if (i)
            buf_char(out, ',');
        if (pair->raw) {
            buf_add(out, pair->raw, pair->raw_size);
            continue;
        }
        buf_json(out, pair->name);
        buf_char(out, ':');
        buf_add(out, pair->value, pair->size);
    }
    buf_char(out, '}');
}

/* Forms */

enum { FORM = PERCENT_PLUS | PERCENT_LOOSE };

bool pairs_read_form(struct pairs *pairs, struct arena *arena, const char *data, size_t size)
{
    *pairs = (struct pairs){ .arena = arena, .kind = PAIRS_FORM };
    for (const char *at = data, *end = data + size, *next; at < end; at = next + 1) {
        next = memchr(at, '&', (size_t)(end - at));
        next = next ? next : end;
        if (next == at)
            continue;
        if (pairs->count == PAIRS_MAX)
            return false;
        const char *equal = memchr(at, '=', (size_t)(next - at)), *stop = equal ? equal : next;
        const char *value = equal ? equal + 1 : next;
        struct pair *pair = pairs_put(pairs);
        size_t name_size;
        pair->raw = at;
        pair->raw_size = (size_t)(next - at);
        pair->name = percent_decode(arena, at, (size_t)(stop - at), FORM, &name_size);
        pair->value = percent_decode(arena, value, (size_t)(next - value), FORM, &pair->size);
    }
    return true;
}

static void write_form(const struct pairs *pairs, struct buf *out)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const struct pair *pair = &pairs->items[i];
        if (i)
            buf_char(out, '&');
        if (pair->raw) {
            buf_add(out, pair->raw, pair->raw_size);
            continue;
        }
        percent_encode(out, pair->name, strlen(pair->name), "");
        buf_char(out, '=');
        percent_encode(out, pair->value, pair->size, "");
    }
}

void pairs_write(const struct pairs *pairs, struct buf *out)
{
    if (pairs->kind == PAIRS_JSON)
        write_json(pairs, out);
    else if (pairs->kind == PAIRS_MULTIPART)
        pairs_write_multipart(pairs, out);
    else
        write_form(pairs, out);
}
