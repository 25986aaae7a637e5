/*
 * What is declared, in the collection store_catalog: {_id: collection, since,
 * indexes: [{name, on, unique, ready}]}. Every process reads it again after a
 * second, so a declaration is settled a little later: only then a second
 * pass over the documents that were there finds all that older writers left.
 */
#include "base/clock.h"
#include "store/collection.h"
#include "store/mongodb.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    CATALOG_AGE_MS = 1000,
    SETTLE_MS = 3000, /* the catalog's age and a write under way */
    FRESH_MS = 10000, /* a collection this young has no older writers */
    FILL_BATCH = 500,
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

bool catalog_of(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct declarations *out)
{
    struct listed listed;
    if (!catalog_take(ctx, mongodb->catalog, collection, &listed)) {
        if (!catalog_read(ctx, mongodb))
            return false;
        catalog_take(ctx, mongodb->catalog, collection, &listed);
    }
    *out = listed.declared;
    return true;
}

static bool catalog_now(struct ctx *ctx, struct mongodb *mongodb, const char *collection, struct listed *out)
{
    return catalog_read(ctx, mongodb) && (catalog_take(ctx, mongodb->catalog, collection, out) ||
                                          ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time"));
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

/* A pass over the documents that sets the keys of one index where they are not as they should be. */
struct filling {
    struct mongodb *mongodb;
    const char *collection;
    const struct declared *index;
    const char *last;  /* the id read last */
    size_t read, seen; /* documents of the batch, and of the pass */
    bson_t *updates;   /* of the batch, for one command */
    uint32_t update_count;
};

static bool same_keys(const bson_t *document, const char *path, const bson_t *keys)
{
    bson_iter_t at, found;
    bson_t now;
    const uint8_t *data;
    uint32_t size;
    if (!bson_iter_init(&at, document) || !bson_iter_find_descendant(&at, path, &found) ||
        !BSON_ITER_HOLDS_DOCUMENT(&found))
        return bson_empty(keys);
    bson_iter_document(&found, &size, &data);
    return bson_init_static(&now, data, size) && bson_equal(&now, keys);
}

/* Conditioned on the version: who changed it meanwhile has set the keys. */
static void add_update(struct filling *filling, const struct stored *stored, const char *path, const bson_t *keys)
{
    char room[16];
    bson_t item, update, part;
    const char *name = item_name(filling->update_count++, room);
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", BCON_UTF8(stored->id), "v", BCON_INT64(stored->version));
    BSON_APPEND_DOCUMENT_BEGIN(filling->updates, name, &item);
    BSON_APPEND_DOCUMENT(&item, "q", filter);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "u", &update);
    const char *verb = bson_empty(keys) ? "$unset" : "$set";
    BSON_APPEND_DOCUMENT_BEGIN(&update, verb, &part);
    BSON_APPEND_DOCUMENT(&part, path, keys);
    bson_append_document_end(&update, &part);
    bson_append_document_end(&item, &update);
    bson_append_document_end(filling->updates, &item);
}

static bool fill_row(struct ctx *ctx, void *self, const bson_t *document)
{
    struct filling *filling = self;
    struct stored stored;
    if (!stored_read(ctx, document, &stored))
        return false;
    filling->last = stored.id;
    filling->read++;
    if (stored.gone)
        return true;
    bson_t keys = BSON_INITIALIZER;
    bool some, ok = document_keys(ctx, filling->index, stored.id, &stored.fields, &keys, &some);
    const char *path = arena_printf(&ctx->arena, "k.%s", filling->index->name);
    if (ok && !same_keys(document, path, &keys))
        add_update(filling, &stored, path, &keys);
    bson_destroy(&keys);
    return ok || ctx_fail(ctx, ERROR_INVALID, "%s.%s: %s", filling->collection, filling->index->name, stored.id);
}

static bool fill_update(struct ctx *ctx, struct filling *filling)
{
    bson_t reply;
    if (!filling->update_count)
        return true;
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW("update", BCON_UTF8(filling->collection), "updates",
                                                        BCON_ARRAY(filling->updates), "ordered", BCON_BOOL(false));
    bool ok = mongodb_long_command(ctx, filling->mongodb, command, &reply) == DONE_WELL &&
              mongodb_write_errors(ctx, filling->mongodb, &reply) == DONE_WELL;
    bson_destroy(&reply);
    return ok || ctx_fail(ctx, ctx->error->code, "%s.%s", filling->collection, filling->index->name);
}

static bool fill_batch(struct ctx *ctx, struct filling *filling, size_t limit)
{
    _cleanup_(bson_destroyp) bson_t *filter = BCON_NEW("_id", "{", "$gt", BCON_UTF8(filling->last), "}");
    _cleanup_(bson_destroyp)
        bson_t *opts = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}", "limit", BCON_INT64((int64_t)limit));
    filling->read = 0;
    filling->update_count = 0;
    bson_reinit(filling->updates);
    return mongodb_find(ctx, filling->mongodb, filling->collection, filter, opts, fill_row, filling) &&
           fill_update(ctx, filling);
}

static bool fill_all(struct ctx *ctx, struct filling *filling)
{
    size_t limit = filling->mongodb->batch_max < FILL_BATCH ? filling->mongodb->batch_max : FILL_BATCH;
    char last[ID_MAX + 1] = "";
    bool ok;
    filling->seen = 0;
    do { /* what a batch allocates ends with it */
        struct ctx own = { .deadline_ms = ctx->deadline_ms };
        filling->last = last;
        ok = fill_batch(&own, filling, limit);
        filling->seen += filling->read;
        if (filling->read)
            snprintf(last, sizeof last, "%s", filling->last);
        if (!ok)
            ctx_fail(ctx, own.error->code, "%s", own.error->message);
        ctx_finish(&own);
    } while (ok && filling->read == limit);
    return ok;
}

static bool fill_settled(struct ctx *ctx, struct filling *filling, const struct listed *listed)
{
    int64_t began = clock_ms();
    if (!fill_all(ctx, filling))
        return false;
    if (!filling->seen && clock_now_ms() - listed->since_ms < FRESH_MS)
        return true;
    int64_t left = SETTLE_MS - (clock_ms() - began);
    if (left > 0)
        nanosleep(&(struct timespec){ .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 }, NULL);
    return fill_all(ctx, filling);
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
    _cleanup_(bson_destroyp) bson_t *updates = bson_new();
    struct filling filling = { .mongodb = mongodb, .collection = collection, .index = index, .updates = updates };
    return create_declared(ctx, mongodb, collection, index) && catalog_read(ctx, mongodb) &&
           fill_settled(ctx, &filling, &listed) && note_ready(ctx, mongodb, &listed, place);
}
