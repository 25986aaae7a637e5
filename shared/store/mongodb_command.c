/* Commands and what came of them: the one place that knows libmongoc's errors. */
#include "base/clock.h"
#include "base/text.h"
#include "store/mongodb.h"

#include <string.h>
#include <time.h>

enum {
    DUPLICATE_KEY = 11000,
    OUT_OF_DISK = 14031,
    TOO_BIG = 10334,
};

/* Said by a server that stops, or is no longer the primary: a write may have been done. */
static const int passing_codes[] = { 6, 7, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436 };

enum outcome mongodb_refusal(int code)
{
    for (size_t i = 0; i < sizeof passing_codes / sizeof *passing_codes; i++)
        if (passing_codes[i] == code)
            return UNKNOWN;
    return REFUSED;
}

/* "... index: by_slug dup key: ..." */
static const char *index_named(struct ctx *ctx, const char *message)
{
    const char *at = strstr(message, "index: ");
    if (!at)
        return NULL;
    at += strlen("index: ");
    return arena_memdup(&ctx->arena, at, strcspn(at, " "));
}

/* FerretDB passes on what SQLite says where it does not translate it. */
static int translate(const struct mongodb *mongodb, int code, const char *message)
{
    if (mongodb->ferretdb && strstr(message, "UNIQUE constraint failed"))
        return DUPLICATE_KEY;
    if (mongodb->ferretdb && strstr(message, "database or disk is full"))
        return OUT_OF_DISK;
    if (code == 17419 || code == 17420)
        return TOO_BIG;
    return code;
}

void mongodb_fail(struct ctx *ctx, const struct mongodb *mongodb, int code, const char *message)
{
    ctx_fail(ctx, ERROR_INTERNAL, "mongodb %d: %s", code, message);
    switch (translate(mongodb, code, message)) {
    case DUPLICATE_KEY: {
        const char *index = index_named(ctx, message);
        ctx_fail(ctx, ERROR_CONFLICT, index ? "%s is taken" : "a unique key is taken", index);
        break;
    }
    case OUT_OF_DISK:
        ctx_fail(ctx, ERROR_DISK_FULL, "there is no room left");
        break;
    case TOO_BIG:
        ctx_fail(ctx, ERROR_TOO_LARGE, "the document is too large");
        break;
    default:
        ctx_fail(ctx, ERROR_UNAVAILABLE, "the store is not available");
    }
}

/* Is any server known to be there? Else a selection would wait for its whole limit. */
static bool server_known(const mongoc_client_t *client)
{
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_client_get_server_descriptions(client, &count);
    bool known = false;
    for (size_t i = 0; i < count; i++)
        known |= strcmp(mongoc_server_description_type(servers[i]), "Unknown") != 0;
    mongoc_server_descriptions_destroy_all(servers, count);
    return known;
}

/* The limit that belongs to a client; it gets one the first time it comes out of the pool. */
static struct limit *limit_of(struct mongodb *mongodb, mongoc_client_t *client)
{
    struct limit *limit = NULL;
    pthread_mutex_lock(&mongodb->lock);
    for (size_t i = 0; i < CLIENTS_MAX && !limit; i++) {
        if (!mongodb->limits[i].client)
            limit_streams(client, &mongodb->limits[i]);
        if (mongodb->limits[i].client == client)
            limit = &mongodb->limits[i];
    }
    pthread_mutex_unlock(&mongodb->lock);
    return limit;
}

/* A client for one command: the breaker lets it through, and it waits no longer than ctx. */
struct lent {
    struct mongodb *mongodb;
    mongoc_client_t *client;
};

static bool lend(struct ctx *ctx, struct mongodb *mongodb, int64_t most_ms, struct lent *out)
{
    int64_t left = ctx_left_ms(ctx, most_ms), until = clock_ms() + left;
    *out = (struct lent){ mongodb, NULL };
    if (!left)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store did not answer in time");
    if (!breaker_try(&mongodb->breaker))
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store is away");
    while (!(out->client = mongoc_client_pool_try_pop(mongodb->pool)) && clock_ms() < until)
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    if (!out->client)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store is too busy");
    struct limit *limit = limit_of(mongodb, out->client);
    limit->until_ms = until;
    if (left < SELECTION_MS && !server_known(out->client)) {
        mongoc_client_pool_push(mongodb->pool, out->client);
        out->client = NULL;
        breaker_note(&mongodb->breaker, false);
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the store is away");
    }
    return true;
}

static void give_back(struct lent *lent, bool answered)
{
    mongoc_client_pool_push(lent->mongodb->pool, lent->client);
    breaker_note(&lent->mongodb->breaker, answered);
}

static enum outcome outcome_of(const bson_error_t *why)
{
    if (why->domain == MONGOC_ERROR_SERVER)
        return mongodb_refusal((int)why->code);
    if (why->domain == MONGOC_ERROR_WRITE_CONCERN)
        return UNKNOWN;
    if (why->domain == MONGOC_ERROR_SERVER_SELECTION)
        return NOT_TRIED;
    return why->domain == MONGOC_ERROR_STREAM ? UNKNOWN : REFUSED;
}

static bool is_answer(const bson_error_t *why)
{
    return why->domain == MONGOC_ERROR_SERVER || why->domain == MONGOC_ERROR_WRITE_CONCERN ||
           why->domain == MONGOC_ERROR_BSON || why->domain == MONGOC_ERROR_COMMAND;
}

/* For the server, which need not go on when nobody waits any more. Not for FerretDB 1.24: what it interrupts so leaves
 * an SQLite connection behind in which everything is "interrupted (9)", for ever. */
static void append_limit(const struct ctx *ctx, const struct mongodb *mongodb, int64_t most_ms, bson_t *command)
{
    if (!mongodb->ferretdb)
        BSON_APPEND_INT64(command, "maxTimeMS", ctx_left_ms(ctx, most_ms) + 1);
}

static enum outcome run(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, bool writes, int64_t most_ms,
                        bson_t *reply)
{
    struct lent lent;
    bson_init(reply);
    if (!lend(ctx, mongodb, most_ms, &lent))
        return NOT_TRIED;
    append_limit(ctx, mongodb, most_ms, command);
    bson_error_t why;
    bson_destroy(reply);
    const char *database = mongodb->database;
    bool ok = writes ? mongoc_client_write_command_with_opts(lent.client, database, command, NULL, reply, &why)
                     : mongoc_client_read_command_with_opts(lent.client, database, command, NULL, NULL, reply, &why);
    give_back(&lent, ok || is_answer(&why));
    if (ok)
        return DONE_WELL;
    mongodb_fail(ctx, mongodb, (int)why.code, why.message);
    return translate(mongodb, (int)why.code, why.message) == DUPLICATE_KEY ? REFUSED : outcome_of(&why);
}

enum outcome mongodb_command(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, bool writes, bson_t *reply)
{
    return run(ctx, mongodb, command, writes, SOCKET_MS, reply);
}

enum outcome mongodb_long_command(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, bson_t *reply)
{
    return run(ctx, mongodb, command, true, LONG_MS, reply);
}

enum outcome mongodb_write_errors(struct ctx *ctx, const struct mongodb *mongodb, const bson_t *reply)
{
    bson_iter_t at, code, message;
    if (!bson_iter_init(&at, reply) || !bson_iter_find_descendant(&at, "writeErrors.0.code", &code))
        return DONE_WELL;
    const char *text = "";
    if (bson_iter_init(&at, reply) && bson_iter_find_descendant(&at, "writeErrors.0.errmsg", &message) &&
        BSON_ITER_HOLDS_UTF8(&message))
        text = bson_iter_utf8(&message, NULL);
    mongodb_fail(ctx, mongodb, (int)bson_iter_as_int64(&code), text);
    return mongodb_refusal((int)bson_iter_as_int64(&code));
}

static enum outcome write_one(struct ctx *ctx, struct mongodb *mongodb, bson_t *command, const char *list,
                              const bson_t *item, int64_t *count)
{
    bson_t items;
    BSON_APPEND_ARRAY_BEGIN(command, list, &items);
    BSON_APPEND_DOCUMENT(&items, "0", item);
    bson_append_array_end(command, &items);

    bson_t reply;
    enum outcome outcome = mongodb_command(ctx, mongodb, command, true, &reply);
    if (outcome == DONE_WELL)
        outcome = mongodb_write_errors(ctx, mongodb, &reply);
    bson_iter_t at;
    if (count)
        *count = bson_iter_init_find(&at, &reply, "n") ? bson_iter_as_int64(&at) : 0;
    bson_destroy(&reply);
    return outcome;
}

enum outcome mongodb_insert(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *document)
{
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW("insert", BCON_UTF8(collection));
    return write_one(ctx, mongodb, command, "documents", document, NULL);
}

enum outcome mongodb_update(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                            const bson_t *update, bool many, int64_t *count)
{
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW("update", BCON_UTF8(collection));
    _cleanup_(bson_destroyp)
        bson_t *item = BCON_NEW("q", BCON_DOCUMENT(filter), "u", BCON_DOCUMENT(update), "multi", BCON_BOOL(many));
    return write_one(ctx, mongodb, command, "updates", item, count);
}

enum outcome mongodb_delete(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                            bool many, int64_t *count)
{
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW("delete", BCON_UTF8(collection));
    _cleanup_(bson_destroyp) bson_t *item = BCON_NEW("q", BCON_DOCUMENT(filter), "limit", BCON_INT32(many ? 0 : 1));
    return write_one(ctx, mongodb, command, "deletes", item, count);
}

DEFINE_CLEANUP(mongoc_collection_t *, mongoc_collection_destroy)
DEFINE_CLEANUP(mongoc_cursor_t *, mongoc_cursor_destroy)

static bool find_with(struct ctx *ctx, struct mongodb *mongodb, mongoc_client_t *client, const char *name,
                      const bson_t *filter, const bson_t *opts,
                      bool (*each)(struct ctx *ctx, void *self, const bson_t *document), void *self, bool *answered)
{
    _cleanup_(mongoc_collection_destroyp)
        mongoc_collection_t *collection = mongoc_client_get_collection(client, mongodb->database, name);
    _cleanup_(mongoc_cursor_destroyp)
        mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, filter, opts, NULL);
    const bson_t *document;
    while (mongoc_cursor_next(cursor, &document))
        if (!each(ctx, self, document))
            return false;
    bson_error_t why;
    if (!mongoc_cursor_error(cursor, &why))
        return true;
    *answered = is_answer(&why);
    mongodb_fail(ctx, mongodb, (int)why.code, why.message);
    return false;
}

static bool find_once(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                      const bson_t *opts, bool (*each)(struct ctx *ctx, void *self, const bson_t *document), void *self,
                      bool *answered)
{
    struct lent lent;
    *answered = true; /* or not even asked */
    if (!lend(ctx, mongodb, SOCKET_MS, &lent))
        return false;
    bson_t limited;
    bson_copy_to(opts, &limited);
    append_limit(ctx, mongodb, SOCKET_MS, &limited);
    bool ok = find_with(ctx, mongodb, lent.client, collection, filter, &limited, each, self, answered);
    bson_destroy(&limited);
    give_back(&lent, *answered);
    return ok;
}

struct counted {
    bool (*each)(struct ctx *ctx, void *self, const bson_t *document);
    void *self;
    size_t count;
};

static bool count_each(struct ctx *ctx, void *self, const bson_t *document)
{
    struct counted *counted = self;
    counted->count++;
    return counted->each(ctx, counted->self, document);
}

/* A connection of the pool may have been closed since its last use: one more try, as long as nothing has come. */
bool mongodb_find(struct ctx *ctx, struct mongodb *mongodb, const char *collection, const bson_t *filter,
                  const bson_t *opts, bool (*each)(struct ctx *ctx, void *self, const bson_t *document), void *self)
{
    bool answered;
    struct counted counted = { each, self, 0 };
    struct error *before = ctx->error;
    if (find_once(ctx, mongodb, collection, filter, opts, count_each, &counted, &answered))
        return true;
    if (answered || counted.count)
        return false;
    ctx->error = before;
    return find_once(ctx, mongodb, collection, filter, opts, count_each, &counted, &answered);
}
