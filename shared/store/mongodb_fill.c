/*
 * The keys of an index that is new, for the documents that were there before. A
 * process may write without it until it has read the catalog again, so a
 * declaration is settled a little later: only then a second pass finds all that
 * older writers left.
 */
#include "base/clock.h"
#include "store/collection.h"
#include "store/mongodb.h"

#include <stdio.h>
#include <time.h>

enum {
    SETTLE_MS = 3 * CATALOG_AGE_MS, /* the catalog's age and a write under way */
    FRESH_MS = 10000,               /* a collection this young has no older writers */
    FILL_BATCH = 500,
};

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

static bool fill_settled(struct ctx *ctx, struct filling *filling, int64_t since_ms)
{
    int64_t began = clock_ms();
    if (!fill_all(ctx, filling))
        return false;
    if (!filling->seen && clock_now_ms() - since_ms < FRESH_MS)
        return true;
    int64_t left = SETTLE_MS - (clock_ms() - began);
    if (left > 0)
        nanosleep(&(struct timespec){ .tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000 }, NULL);
    return fill_all(ctx, filling);
}

bool mongodb_fill(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const struct declared *index,
                  int64_t since_ms)
{
    _cleanup_(bson_destroyp) bson_t *updates = bson_new();
    struct filling filling = { .mongodb = mongodb, .collection = collection, .index = index, .updates = updates };
    return fill_settled(ctx, &filling, since_ms);
}
