#include "exchange/json_object.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct json_object *object)
{
    while (object->at < object->end && is_space(*object->at))
        object->at++;
}

static bool take(struct json_object *object, char c)
{
    skip_space(object);
    bool there = object->at < object->end && *object->at == c;
    object->at += there;
    return there;
}

bool json_object_open(struct json_object *object, const char *text, size_t size)
{
    *object = (struct json_object){ .at = text, .end = text + size };
    return take(object, '{');
}

/* Past the string whose quote stands at `at`; NULL: it does not end. */
static const char *string_end(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    }
    return NULL;
}

/* Past a value: up to the comma or the brace that is its object's. */
static const char *value_end(const char *at, const char *end)
{
    size_t depth = 0;
    for (; at < end; at++) {
        if (*at == '"') {
            const char *next = string_end(at, end);
            if (!next)
                return NULL;
            at = next - 1;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (!depth)
                return at;
            depth--;
        } else if (*at == ',' && !depth) {
            return at;
        }
    }
    return NULL;
}

static bool bad(struct json_object *object)
{
    object->bad = true;
    return false;
}

/* Behind the last member: the brace, and nothing after it. */
static bool finish(struct json_object *object)
{
    if (!take(object, '}'))
        return bad(object);
    skip_space(object);
    return object->at < object->end ? bad(object) : false;
}

bool json_object_next(struct json_object *object, struct json_member *member)
{
    skip_space(object);
    bool more = object->begun ? take(object, ',') : object->at < object->end && *object->at != '}';
    object->begun = true;
    if (!more)
        return finish(object);
    skip_space(object);
    const char *text = object->at;
    const char *name_end = text < object->end && *text == '"' ? string_end(text, object->end) : NULL;
    if (!name_end || memchr(text, '\\', (size_t)(name_end - text)))
        return bad(object);
    object->at = name_end;
    if (!take(object, ':'))
        return bad(object);
    skip_space(object);
    const char *value = object->at, *end = value_end(value, object->end);
    if (!end || end == value)
        return bad(object);
    object->at = end;
    while (is_space(end[-1]))
        end--;
    *member = (struct json_member){ text + 1, (size_t)(name_end - text - 2), text, (size_t)(end - text) };
    return true;
}
