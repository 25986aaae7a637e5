/*
 * What is declared, in the collection store_catalog: {_id: collection, since,
 * indexes: [{name, on, unique, ready}]}. Every process reads it again after
 * CATALOG_AGE_MS.
 */
#include "base/clock.h"
#include "store/collection.h"
#include "store/mongodb.h"

#include <stdio.h>
#include <string.h>

enum {
    READ_TRIES = 3,
};

static const char catalog_name[] = "store_catalog";

struct catalog {
    pthread_mutex_t lock;
    struct ctx ctx; /* owns `items` */
    struct listed {
        const char *collection;
        int64_t since_ms;
        struct declarations declared;
    } items[COLLECTIONS_MAX];
    size_t count;
    int64_t read_ms;
};

struct catalog *catalog_create(void)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    if (!catalog)
        abort();
    pthread_mutex_init(&catalog->lock, NULL);
    return catalog;
}

void catalog_destroy(struct catalog *catalog)
{
    ctx_finish(&catalog->ctx);
    pthread_mutex_destroy(&catalog->lock);
    free(catalog);
}

static void read_index(struct ctx *ctx, const bson_t *item, struct declared *out)
{
    bson_iter_t at, on;
    if (bson_iter_init_find(&at, item, "name"))
        out->name = arena_strdup(&ctx->arena, bson_iter_utf8(&at, NULL));
    out->unique = bson_iter_init_find(&at, item, "unique") && bson_iter_as_bool(&at);
    out->ready = bson_iter_init_find(&at, item, "ready") && bson_iter_as_bool(&at);
    if (bson_iter_init_find(&at, item, "on") && bson_iter_recurse(&at, &on))
        while (out->fields < INDEX_FIELDS && bson_iter_next(&on))
            out->on[out->fields++] = arena_strdup(&ctx->arena, bson_iter_utf8(&on, NULL));
}

static bool read_listed(struct ctx *ctx, void *self, const bson_t *document)
{
    struct catalog *fresh = self;
    if (fresh->count == COLLECTIONS_MAX)
        return true;
    struct listed *listed = &fresh->items[fresh->count++];
    bson_iter_t at, indexes;
    *listed = (struct listed){ .declared.items = arena_array(&ctx->arena, struct declared, INDEXES_MAX) };
    if (bson_iter_init_find(&at, document, "_id"))
        listed->collection = arena_strdup(&ctx->arena, bson_iter_utf8(&at, NULL));
    if (bson_iter_init_find(&at, document, "since"))
        listed->since_ms = bson_iter_as_int64(&at);
    if (!bson_iter_init_find(&at, document, "indexes") || !bson_iter_recurse(&at, &indexes))
        return true;
    while (bson_iter_next(&indexes) && listed->declared.count < INDEXES_MAX) {
        bson_t item;
        const uint8_t *data;
        uint32_t size;
        bson_iter_document(&indexes, &size, &data);
        if (bson_init_static(&item, data, size))
            read_index(ctx, &item, &listed->declared.items[listed->declared.count++]);
    }
    return true;
}

/* Reads it into a fresh one, which takes the place of what was known. */
static bool catalog_read(struct ctx *ctx, struct mongodb *mongodb)
{
    struct catalog *catalog = mongodb->catalog, fresh = { .ctx.deadline_ms = ctx->deadline_ms };
    _cleanup_(bson_destroyp) bson_t *filter = bson_new(), *opts = bson_new();
    fresh.read_ms = clock_ms();
    if (!mongodb_find(&fresh.ctx, mongodb, catalog_name, filter, opts, read_listed, &fresh)) {
        ctx_fail(ctx, fresh.ctx.error->code, "%s", fresh.ctx.error->message);
        ctx_finish(&fresh.ctx);
        return false;
    }
    pthread_mutex_lock(&catalog->lock);
    ctx_finish(&catalog->ctx);
    catalog->ctx = fresh.ctx;
    memcpy(catalog->items, fresh.items, sizeof catalog->items);
    catalog->count = fresh.count;
    catalog->read_ms = fresh.read_ms;
    pthread_mutex_unlock(&catalog->lock);
    return true;
}

static void copy_declared(struct ctx *ctx, const struct declared *from, struct declared *to)
{
    *to = *from;
    to->name = arena_strdup(&ctx->arena, from->name);
    for (size_t i = 0; i < from->fields; i++)
        to->on[i] = arena_strdup(&ctx->arena, from->on[i]);
}

/* false: it is older than that, or was never read. */
static bool catalog_take(struct ctx *ctx, struct catalog *catalog, const char *collection, struct listed *out)
{
    *out = (struct listed){ 0 };
    pthread_mutex_lock(&catalog->lock);
    bool young = catalog->read_ms && clock_ms() - catalog->read_ms < CATALOG_AGE_MS;
    for (size_t i = 0; young && i < catalog->count; i++) {
        const struct listed *listed = &catalog->items[i];
        if (strcmp(listed->collection, collection) != 0)
            continue;
        out->collection = collection;
        out->since_ms = listed->since_ms;
        out->declared.items = arena_array(&ctx->arena, struct declared, listed->declared.count);
        for (size_t k = 0; k < listed->declared.count; k++)
            copy_declared(ctx, &listed->declared.items[k], &out->declared.items[out->declared.count++]);
    }
    pthread_mutex_unlock(&catalog->lock);
    return young;
}

/* A slow store takes longer to tell than that holds: then nothing is known, and a document written now would stand in
 * none of its indexes. */
static bool catalog_fresh(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct listed *out)
{
    for (int tries = 0; tries < READ_TRIES; tries++) {
        if (catalog_take(ctx, mongodb->catalog, collection, out))
            return true;
        if (!catalog_read(ctx, mongodb))
            return false;
    }
    return catalog_take(ctx, mongodb->catalog, collection, out) ||
           ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time");
}

bool catalog_of(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct declarations *out)
{
    struct listed listed;
    if (!catalog_fresh(ctx, mongodb, collection, &listed))
        return false;
    *out = listed.declared;
    return true;
}

static bool catalog_now(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct listed *out)
{
    return catalog_read(ctx, mongodb) && catalog_fresh(ctx, mongodb, collection, out);
}

bool mongodb_declared(struct ctx *ctx, struct backend *self, const char *collection, struct declarations *out)
{
    struct listed listed;
    if (!catalog_now(ctx, (struct mongodb *)self, collection, &listed))
        return false;
    *out = listed.declared;
    return true;
}

static bool create_index(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const char *name,
                         const bson_t *keys, bool unique)
{
    bson_t reply;
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW("createIndexes", BCON_UTF8(collection), "indexes", "[", "{",
                                                        "key", BCON_DOCUMENT(keys), "name", BCON_UTF8(name), "sparse",
                                                        BCON_BOOL(true), "unique", BCON_BOOL(unique), "}", "]");
    bool ok = mongodb_long_command(ctx, mongodb, command, &reply) == DONE_WELL;
    bson_destroy(&reply);
    return ok;
}

/* The index by which waiting events are found; makes the collection, too. */
static bool create_outbox_index(struct ctx *ctx, struct mongodb *mongodb, const char *collection)
{
    _cleanup_(bson_destroyp) bson_t *keys = BCON_NEW("oa", BCON_INT32(1));
    return create_index(ctx, mongodb, collection, "outbox", keys, false);
}

bool mongodb_prepare(struct ctx *ctx, struct mongodb *mongodb)
{
    _cleanup_(bson_destroyp) bson_t *log = BCON_NEW("at", BCON_INT32(1), "_id", BCON_INT32(1));
    for (size_t i = 0; i < mongodb->tables->count; i++)
        if (!create_outbox_index(ctx, mongodb, mongodb->tables->items[i].of->name))
            return false;
    return create_index(ctx, mongodb, "store_log", "by_time", log, false);
}

static bool create_declared(struct ctx *ctx, struct mongodb *mongodb, const char *collection,
                            const struct declared *index)
{
    _cleanup_(bson_destroyp) bson_t *keys = bson_new();
    for (size_t i = 0; i < index->fields; i++)
        BSON_APPEND_INT32(keys, arena_printf(&ctx->arena, "k.%s.%c", index->name, (char)('a' + i)), 1);
    if (!index->unique)
        BSON_APPEND_INT32(keys, arena_printf(&ctx->arena, "k.%s.id", index->name), 1);
    if (create_index(ctx, mongodb, collection, index->name, keys, index->unique))
        return true;
    return ctx_fail(ctx, ctx->error->code, "%s.%s could not be made", collection, index->name);
}

static bool list_collection(struct ctx *ctx, struct mongodb *mongodb, const char *collection)
{
    _cleanup_(bson_destroyp) bson_t *document = BCON_NEW("_id", BCON_UTF8(collection), "since",
                                                         BCON_INT64(clock_now_ms()), "indexes", "[", "]");
    return mongodb_insert(ctx, mongodb, catalog_name, document) == DONE_WELL || ctx_forgive(ctx, ERROR_CONFLICT);
}

/* Under the lease of the migrations: nobody else declares at the same time. */
static bool list_index(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const struct declared *index)
{
    int64_t count;
    bson_t on;
    _cleanup_(bson_destroyp) bson_t *item = BCON_NEW("name", BCON_UTF8(index->name), "unique", BCON_BOOL(index->unique),
                                                     "ready", BCON_BOOL(false));
    BSON_APPEND_ARRAY_BEGIN(item, "on", &on);
    for (size_t i = 0; i < index->fields; i++) {
        const char number[] = { (char)('0' + i), 0 };
        BSON_APPEND_UTF8(&on, number, index->on[i]);
    }
    bson_append_array_end(item, &on);
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(collection));
    _cleanup_(bson_destroyp) bson_t *update = BCON_NEW("$push", "{", "indexes", BCON_DOCUMENT(item), "}");
    return mongodb_update(ctx, mongodb, catalog_name, filter, update, false, &count) == DONE_WELL;
}

static bool note_ready(struct ctx *ctx, struct mongodb *mongodb, const struct listed *listed, size_t number)
{
    int64_t count;
    const char *path = arena_printf(&ctx->arena, "indexes.%zu.ready", number);
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(listed->collection));
    _cleanup_(bson_destroyp) bson_t *update = BCON_NEW("$set", "{", path, BCON_BOOL(true), "}");
    return mongodb_update(ctx, mongodb, catalog_name, filter, update, false, &count) == DONE_WELL;
}

/* Where the index stands in the list; count: it is not there. */
static size_t place_of(const struct listed *listed, const char *name)
{
    size_t i = 0;
    while (i < listed->declared.count && strcmp(listed->declared.items[i].name, name) != 0)
        i++;
    return i;
}

bool mongodb_declare(struct ctx *ctx, struct backend *self, const char *collection, const struct declared *index)
{
    struct mongodb *mongodb = (struct mongodb *)self;
    struct listed listed;
    if (!create_outbox_index(ctx, mongodb, collection) || !list_collection(ctx, mongodb, collection))
        return false;
    if (!index)
        return true;
    if (!catalog_now(ctx, mongodb, collection, &listed))
        return false;
    size_t place = place_of(&listed, index->name);
    if (place == INDEXES_MAX)
        return ctx_fail(ctx, ERROR_INTERNAL, "%s has %d indexes already", collection, INDEXES_MAX);
    if (place < listed.declared.count && !declared_equal(&listed.declared.items[place], index))
        return ctx_fail(ctx, ERROR_CONFLICT, "%s.%s is declared otherwise: take another name", collection, index->name);
    if (place < listed.declared.count && listed.declared.items[place].ready)
        return true;
    if (place == listed.declared.count && !list_index(ctx, mongodb, collection, index))
        return false;
    return create_declared(ctx, mongodb, collection, index) && catalog_read(ctx, mongodb) &&
           mongodb_fill(ctx, mongodb, collection, index, listed.since_ms) && note_ready(ctx, mongodb, &listed, place);
}
