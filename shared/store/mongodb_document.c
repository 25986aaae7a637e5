/* Documents and updates as MongoDB takes them. */
#include "store/keys.h"
#include "store/mongodb.h"

#include <string.h>

static void append_key(bson_t *out, const char *name, const struct key *key)
{
    if (key->text)
        BSON_APPEND_UTF8(out, name, key->text);
    else
        BSON_APPEND_INT64(out, name, key->integer);
}

/* One value, or all that the entries have at this place. */
static void append_values(bson_t *out, const char *name, const struct entry *entries, size_t count, size_t field)
{
    bool same = true;
    for (size_t i = 1; i < count; i++)
        same &= key_compare(&entries[0].keys[field], &entries[i].keys[field]) == 0;
    if (same) {
        append_key(out, name, &entries[0].keys[field]);
        return;
    }
    bson_t values;
    BSON_APPEND_ARRAY_BEGIN(out, name, &values);
    for (size_t i = 0; i < count; i++) {
        char room[16];
        const char *at = item_name((uint32_t)i, room);
        append_key(&values, at, &entries[i].keys[field]);
    }
    bson_append_array_end(out, &values);
}

bool document_keys(struct ctx *ctx, const struct declared *index, const char *id, const bson_t *fields, bson_t *out,
                   bool *some)
{
    static const char *const names[INDEX_FIELDS] = { "a", "b", "c", "d" };
    struct entry *entries;
    size_t count;
    if (!entries_of(ctx, index, fields, &entries, &count))
        return false;
    *some = count != 0;
    for (size_t i = 0; count && i < index->fields; i++)
        append_values(out, names[i], entries, count, i);
    if (count && !index->unique)
        BSON_APPEND_UTF8(out, "id", id);
    return true;
}

static bool append_all_keys(struct ctx *ctx, const struct declarations *declared, const char *id, const bson_t *fields,
                            bson_t *out)
{
    for (size_t i = 0; i < declared->count; i++) {
        bson_t keys = BSON_INITIALIZER;
        bool some = false, ok = document_keys(ctx, &declared->items[i], id, fields, &keys, &some);
        if (ok && some)
            BSON_APPEND_DOCUMENT(out, declared->items[i].name, &keys);
        bson_destroy(&keys);
        if (!ok)
            return false;
    }
    return true;
}

static void append_events(struct ctx *ctx, const struct change *change, int64_t version, const char *name, bson_t *out)
{
    bson_t events;
    BSON_APPEND_ARRAY_BEGIN(out, name, &events);
    for (size_t i = 0; i < change->event_count; i++) {
        const struct pending *event = &change->events[i];
        char room[16];
        const char *at = item_name((uint32_t)i, room);
        bson_t item;
        BSON_APPEND_DOCUMENT_BEGIN(&events, at, &item);
        BSON_APPEND_UTF8(&item, "i", event->id);
        BSON_APPEND_UTF8(&item, "t", event->type);
        BSON_APPEND_UTF8(&item, "j", pending_json(&ctx->arena, event, version));
        BSON_APPEND_INT64(&item, "a", event->at_ms);
        bson_append_document_end(&events, &item);
    }
    bson_append_array_end(out, &events);
}

/* $push and $min of an update that carries events. */
static void append_push(struct ctx *ctx, const struct change *change, int64_t version, bson_t *out)
{
    if (!change->event_count)
        return;
    bson_t push, each, least;
    BSON_APPEND_DOCUMENT_BEGIN(out, "$push", &push);
    BSON_APPEND_DOCUMENT_BEGIN(&push, "o", &each);
    append_events(ctx, change, version, "$each", &each);
    bson_append_document_end(&push, &each);
    bson_append_document_end(out, &push);
    BSON_APPEND_DOCUMENT_BEGIN(out, "$min", &least);
    BSON_APPEND_INT64(&least, "oa", change->events[0].at_ms);
    bson_append_document_end(out, &least);
}

bool document_insert(struct ctx *ctx, const struct declarations *declared, const struct change *change, bson_t *out)
{
    bson_t keys;
    BSON_APPEND_UTF8(out, "_id", change->id);
    BSON_APPEND_INT64(out, "v", 1);
    BSON_APPEND_UTF8(out, "w", change->w);
    BSON_APPEND_DOCUMENT_BEGIN(out, "k", &keys);
    bool ok = append_all_keys(ctx, declared, change->id, change->set, &keys);
    bson_append_document_end(out, &keys);
    BSON_APPEND_DOCUMENT(out, "d", change->set);
    if (change->event_count) {
        append_events(ctx, change, 1, "o", out);
        BSON_APPEND_INT64(out, "oa", change->events[0].at_ms);
    }
    return ok;
}

bool document_revive(struct ctx *ctx, const struct declarations *declared, const struct change *change, bson_t *out)
{
    bson_t set, unset, keys;
    BSON_APPEND_DOCUMENT_BEGIN(out, "$set", &set);
    BSON_APPEND_INT64(&set, "v", 1);
    BSON_APPEND_UTF8(&set, "w", change->w);
    BSON_APPEND_DOCUMENT_BEGIN(&set, "k", &keys);
    bool ok = append_all_keys(ctx, declared, change->id, change->set, &keys);
    bson_append_document_end(&set, &keys);
    BSON_APPEND_DOCUMENT(&set, "d", change->set);
    bson_append_document_end(out, &set);
    BSON_APPEND_DOCUMENT_BEGIN(out, "$unset", &unset);
    BSON_APPEND_UTF8(&unset, "gone", "");
    bson_append_document_end(out, &unset);
    append_push(ctx, change, 1, out);
    return ok;
}

static bool is_covered(const struct declared *index, const char *const *names)
{
    for (size_t i = 0; i < index->fields; i++) {
        const char *const *name = names;
        while (*name && strcmp(*name, index->on[i]) != 0)
            name++;
        if (!*name)
            return false;
    }
    return true;
}

bool document_needs_old(const struct declarations *declared, const struct change *change)
{
    for (size_t i = 0; i < declared->count; i++)
        if (index_touched(&declared->items[i], change->gone) && !is_covered(&declared->items[i], change->gone))
            return true;
    return false;
}

/* An update under way: what it sets and what it unsets. */
struct parts {
    bson_t set, unset;
};

static bool part_keys(struct ctx *ctx, const struct declarations *declared, const struct change *change,
                      const bson_t *fields, struct parts *parts)
{
    for (size_t i = 0; i < declared->count; i++) {
        if (!index_touched(&declared->items[i], change->gone))
            continue;
        bson_t keys = BSON_INITIALIZER;
        const char *path = arena_printf(&ctx->arena, "k.%s", declared->items[i].name);
        bool some = false, ok = document_keys(ctx, &declared->items[i], change->id, fields, &keys, &some);
        if (ok && some)
            BSON_APPEND_DOCUMENT(&parts->set, path, &keys);
        else if (ok)
            BSON_APPEND_UTF8(&parts->unset, path, "");
        bson_destroy(&keys);
        if (!ok)
            return false;
    }
    return true;
}

static bool parts_make(struct ctx *ctx, const struct declarations *declared, const struct change *change,
                       const bson_t *old, struct parts *parts)
{
    BSON_APPEND_INT64(&parts->set, "v", change->version + 1);
    BSON_APPEND_UTF8(&parts->set, "w", change->w);
    bson_iter_t at;
    for (const char *const *name = change->gone; *name; name++) {
        const char *path = arena_printf(&ctx->arena, "d.%s", *name);
        if (bson_iter_init_find(&at, change->set, *name))
            bson_append_iter(&parts->set, path, -1, &at);
        else
            BSON_APPEND_UTF8(&parts->unset, path, "");
    }
    bson_t fields = BSON_INITIALIZER;
    if (old)
        fields_change(&fields, old, change->gone, change->set);
    else
        bson_concat(&fields, change->set);
    bool ok = part_keys(ctx, declared, change, &fields, parts);
    bson_destroy(&fields);
    return ok;
}

bool document_update(struct ctx *ctx, const struct declarations *declared, const struct change *change,
                     const bson_t *old, bson_t *out)
{
    struct parts parts;
    bson_init(&parts.set);
    bson_init(&parts.unset);
    bool ok = parts_make(ctx, declared, change, old, &parts);
    BSON_APPEND_DOCUMENT(out, "$set", &parts.set);
    if (!bson_empty(&parts.unset))
        BSON_APPEND_DOCUMENT(out, "$unset", &parts.unset);
    append_push(ctx, change, change->version + 1, out);
    bson_destroy(&parts.set);
    bson_destroy(&parts.unset);
    return ok;
}

void document_remove(struct ctx *ctx, const struct change *change, int64_t version, bson_t *out)
{
    bson_t part;
    BSON_APPEND_DOCUMENT_BEGIN(out, "$set", &part);
    BSON_APPEND_INT64(&part, "v", version);
    BSON_APPEND_UTF8(&part, "w", change->w);
    BSON_APPEND_BOOL(&part, "gone", true);
    bson_append_document_end(out, &part);
    BSON_APPEND_DOCUMENT_BEGIN(out, "$unset", &part);
    BSON_APPEND_UTF8(&part, "k", "");
    BSON_APPEND_UTF8(&part, "d", "");
    bson_append_document_end(out, &part);
    append_push(ctx, change, version, out);
}
