/*
 * What a client sends to a route that ends at a NATS subject: a part of its
 * path becomes a token and no more, its query becomes members of a body that
 * stays JSON, in which the path has the last word.
 */
#include "fuzz.h"
#include "subject/nats_fields.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static size_t count(const char *text, char c)
{
    size_t out = 0;
    for (; *text; text++)
        out += *text == c;
    return out;
}

static void check_subject(struct arena *arena, const struct params *params)
{
    const char *why;
    struct buf out = BUF(arena);
    const struct nats_subject *subject = nats_subject_parse(arena, "media.x-{id}.get", &why);
    if (!nats_subject_write(subject, params, &out))
        return;
    must_hold(strlen(out.data) == out.size && out.size <= SUBJECT_SIZE_MAX, "a text, and bounded");
    must_hold(count(out.data, '.') == 2, "no token more");
    must_hold(!strpbrk(out.data, " *>\t\r\n"), "no wildcard and no end of a line");
    must_hold(strncmp(out.data, "media.x-", 8) == 0 && out.size > 12, "where it belongs");
}

static json_t *object_of(const char *text, size_t size)
{
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    return NULL;
}

static void check_members(const struct address_fields *fields, const json_t *merged, const struct params *params)
{
    for (size_t i = 0; i < fields->count; i++) {
        const json_t *value = json_object_get(merged, fields->items[i].name);
        must_hold(json_is_string(value) || json_array_size(value) > 1, "each is there, as texts");
    }
    if (params->count && fields->count)
        must_hold(json_is_string(json_object_get(merged, "id")), "what the path says is one text");
}

static void check_merge(const struct address_fields *fields, const struct params *params, const char *body)
{
    struct buf out = BUF(fields->arena);
    size_t size = strlen(body);
    json_t *before = object_of(body, size);
    enum merge merge = address_fields_merge(fields, body, size, &out);
    json_t *after = merge == MERGED ? object_of(out.data, out.size) : NULL;
    must_hold(merge != MERGE_KEPT || !before, "an object gets them");
    must_hold(merge != MERGED || (size && !before) || after, "JSON stays JSON");
    if (after)
        check_members(fields, after, params);
    json_decref(before);
    json_decref(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    struct arena arena = { 0 };
    struct address_fields fields;
    const char *why;
    char *id = input_text(&input), *query = input_text(&input), *body = input_text(&input);
    struct params params = { .items = { { "id", id, strlen(id) } }, .count = *id != 0 };
    const struct nats_subject *subject = nats_subject_parse(&arena, "media.get", &why);
    check_subject(&arena, &params);
    if (address_fields_read(&fields, &arena, subject, &params, query, strlen(query)) && fields.count)
        check_merge(&fields, &params, body);
    arena_free(&arena);
    free(id);
    free(query);
    free(body);
    return 0;
}
