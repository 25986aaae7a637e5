#include "store/mongodb.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static const char *mongodb_kind(const struct backend *self)
{
    return ((const struct mongodb *)self)->ferretdb ? "ferretdb" : "mongodb";
}

static void mongodb_free(struct mongodb *mongodb)
{
    if (mongodb->pool)
        mongoc_client_pool_destroy(mongodb->pool);
    catalog_destroy(mongodb->catalog);
    breaker_finish(&mongodb->breaker);
    pthread_mutex_destroy(&mongodb->lock);
    arena_free(&mongodb->arena);
    free(mongodb);
}

static void mongodb_close(struct backend *self)
{
    mongodb_free((struct mongodb *)self);
}

static bool run_named(struct ctx *ctx, struct mongodb *mongodb, const char *name, bson_t *reply)
{
    _cleanup_(bson_destroyp) bson_t *command = BCON_NEW(name, BCON_INT32(1));
    return mongodb_command(ctx, mongodb, command, false, reply) == DONE_WELL;
}

static bool mongodb_ping(struct ctx *ctx, struct backend *self)
{
    bson_t reply;
    bool ok = run_named(ctx, (struct mongodb *)self, "ping", &reply);
    bson_destroy(&reply);
    return ok;
}

static const struct backend_type mongodb_type = {
    .kind = mongodb_kind,
    .close = mongodb_close,
    .ping = mongodb_ping,
    .get = mongodb_get,
    .scan = mongodb_scan,
    .write = mongodb_write,
    .declared = mongodb_declared,
    .declare = mongodb_declare,
    .outbox_read = mongodb_outbox_read,
    .outbox_done = mongodb_outbox_done,
    .outbox_log = mongodb_outbox_log,
    .outbox_sweep = mongodb_outbox_sweep,
};

static void log_library(mongoc_log_level_t level, const char *domain, const char *message, void *self)
{
    (void)self;
    if (strstr(message, "endSessions")) /* FerretDB has no such command; sessions end by themselves */
        return;
    static const enum log_level levels[] = {
        [MONGOC_LOG_LEVEL_ERROR] = LOG_ERROR,  [MONGOC_LOG_LEVEL_CRITICAL] = LOG_ERROR,
        [MONGOC_LOG_LEVEL_WARNING] = LOG_WARN, [MONGOC_LOG_LEVEL_MESSAGE] = LOG_INFO,
        [MONGOC_LOG_LEVEL_INFO] = LOG_INFO,    [MONGOC_LOG_LEVEL_DEBUG] = LOG_DEBUG,
        [MONGOC_LOG_LEVEL_TRACE] = LOG_DEBUG,
    };
    /* A broken connection is told to the caller, and by the breaker. */
    enum log_level ours = strcmp(domain, "stream") == 0 ? LOG_DEBUG : levels[level];
    log_line(ours, NULL, message, "library", domain, (char *)NULL);
}

DEFINE_CLEANUP(mongoc_uri_t *, mongoc_uri_destroy)
DEFINE_CLEANUP(mongoc_write_concern_t *, mongoc_write_concern_destroy)

/* What the URL leaves open, and what it may not change: nobody waits for long, and what is acknowledged stays. */
static void set_options(mongoc_uri_t *uri)
{
    static const struct option {
        const char *name;
        int32_t value;
    } options[] = {
        { MONGOC_URI_SERVERSELECTIONTIMEOUTMS, SELECTION_MS },
        { MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_MS },
        { MONGOC_URI_SOCKETTIMEOUTMS, SOCKET_MS },
        { MONGOC_URI_WAITQUEUETIMEOUTMS, SELECTION_MS },
        { MONGOC_URI_MAXPOOLSIZE, CLIENTS_MAX },
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        mongoc_uri_set_option_as_int32(uri, options[i].name, options[i].value);
    /* Its own second try would wait for a server beyond the caller's deadline: ours does not (mongodb_find). */
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
    _cleanup_(mongoc_write_concern_destroyp) mongoc_write_concern_t *concern = mongoc_write_concern_new();
    mongoc_write_concern_set_wmajority(concern, SOCKET_MS);
    mongoc_write_concern_set_journal(concern, true);
    mongoc_uri_set_write_concern(uri, concern);
}

static bool pool_create(struct ctx *ctx, struct mongodb *mongodb, const struct store_options *options)
{
    bson_error_t why;
    _cleanup_(mongoc_uri_destroyp) mongoc_uri_t *uri = mongoc_uri_new_with_error(options->url, &why);
    if (!uri) {
        ctx_fail(ctx, ERROR_INTERNAL, "%s", why.message);
        return ctx_fail(ctx, ERROR_INVALID, "the store's URL is not one of MongoDB");
    }
    set_options(uri);
    const char *database = mongoc_uri_get_database(uri);
    mongodb->database = arena_strdup(&mongodb->arena, database && *database ? database : options->service);
    mongodb->pool = mongoc_client_pool_new_with_error(uri, &why);
    if (!mongodb->pool)
        return ctx_fail(ctx, ERROR_INVALID, "%s", why.message);
    mongoc_client_pool_set_error_api(mongodb->pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_client_pool_set_appname(mongodb->pool, arena_printf(&ctx->arena, "tonearm-%s", options->service));
    return true;
}

/*
 * FerretDB 1.24 filters in memory and writes by _id: of two clients that
 * update one version both win. Only a gate in front of it makes it fit.
 */
static bool check_server(struct ctx *ctx, struct mongodb *mongodb, bool ferretdb_allowed)
{
    bson_t reply;
    bson_iter_t at, version;
    bool ok = run_named(ctx, mongodb, "buildInfo", &reply);
    mongodb->ferretdb = ok && bson_iter_init_find(&at, &reply, "ferretdbVersion");
    int32_t major = 0;
    if (ok && bson_iter_init(&at, &reply) && bson_iter_find_descendant(&at, "versionArray.0", &version))
        major = (int32_t)bson_iter_as_int64(&version);
    bson_destroy(&reply);
    if (!ok)
        return false;
    if (mongodb->ferretdb && !ferretdb_allowed)
        return ctx_fail(
            ctx, ERROR_INVALID,
            "this is FerretDB, whose updates are not atomic: take it only behind a gate, with STORE_FERRETDB=1");
    return major >= 5 || ctx_fail(ctx, ERROR_INVALID, "MongoDB 5 or newer is needed, this is %d", (int)major);
}

static bool learn_limits(struct ctx *ctx, struct mongodb *mongodb)
{
    bson_t reply;
    bson_iter_t at;
    bool ok = run_named(ctx, mongodb, "hello", &reply);
    int64_t batch = ok && bson_iter_init_find(&at, &reply, "maxWriteBatchSize") ? bson_iter_as_int64(&at) : 1;
    mongodb->batch_max = batch < 1 ? 1 : batch > WRITES_MAX ? WRITES_MAX : (size_t)batch;
    bson_destroy(&reply);
    return ok;
}

struct backend *mongodb_open(struct ctx *ctx, const struct store_options *options, const struct tables *tables)
{
    mongoc_init();
    mongoc_log_set_handler(log_library, NULL);
    struct mongodb *mongodb = calloc(1, sizeof *mongodb);
    if (!mongodb)
        abort();
    mongodb->base.type = &mongodb_type;
    mongodb->tables = tables;
    mongodb->catalog = catalog_create();
    pthread_mutex_init(&mongodb->lock, NULL);
    breaker_init(&mongodb->breaker, "mongodb");
    if (pool_create(ctx, mongodb, options) && check_server(ctx, mongodb, options->ferretdb) &&
        learn_limits(ctx, mongodb) && mongodb_prepare(ctx, mongodb))
        return &mongodb->base;
    mongodb_free(mongodb);
    return NULL;
}
