#include "store/store.h"

#include "base/text.h"
#include "store/collection.h"
#include "store/lease.h"

#include <stdlib.h>
#include <string.h>

struct store {
    struct backend *backend;
    struct tables tables;
    const struct collection **collections;
    void (*written)(void *self);
    void *self;
    const char *service;
    struct arena arena;
};

static bool add_collection(struct ctx *ctx, struct store *store, const struct collection *of)
{
    if (store_collection(store, of->name) == of)
        return true;
    if (store_collection(store, of->name))
        return ctx_fail(ctx, ERROR_INTERNAL, "two collections are named %s", of->name);
    if (store->tables.count == COLLECTIONS_MAX)
        return ctx_fail(ctx, ERROR_INTERNAL, "a store has at most %d collections", COLLECTIONS_MAX);
    if (!collection_check(ctx, of))
        return false;
    size_t number = store->tables.count++;
    store->tables.items[number].of = of;
    store->tables.items[number].number = number;
    store->collections[number] = of;
    return true;
}

static bool add_collections(struct ctx *ctx, struct store *store, const struct collection *const *collections)
{
    store->tables.items = arena_array(&store->arena, struct table, COLLECTIONS_MAX);
    store->collections = arena_alloc(&store->arena, sizeof(struct collection *) * (COLLECTIONS_MAX + 1));
    if (!add_collection(ctx, store, &lease_collection) || !add_collection(ctx, store, &migration_collection))
        return false;
    for (; collections && *collections; collections++)
        if (!add_collection(ctx, store, *collections))
            return false;
    return true;
}

static struct backend *open_backend(struct ctx *ctx, const struct store_options *options, const struct tables *tables)
{
    if (text_starts(options->url, "embedded:"))
        return embedded_open(ctx, options->url + strlen("embedded:"), options->service, tables);
    if (text_starts(options->url, "mongodb://") || text_starts(options->url, "mongodb+srv://"))
        return mongodb_open(ctx, options, tables);
    return ctx_fail(ctx, ERROR_INVALID, "a store is embedded:DIR or mongodb://HOST:PORT");
}

struct store *store_open(struct ctx *ctx, const struct store_options *options,
                         const struct collection *const *collections)
{
    if (!name_is_plain(options->service))
        return ctx_fail(ctx, ERROR_INVALID, "\"%s\" is no name of a service", options->service ? options->service : "");
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        abort();
    store->service = arena_strdup(&store->arena, options->service);
    store->written = options->written;
    store->self = options->self;
    if (add_collections(ctx, store, collections))
        store->backend = open_backend(ctx, options, &store->tables);
    if (store->backend)
        return store;
    arena_free(&store->arena);
    free(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store->backend->type->close(store->backend);
    arena_free(&store->arena);
    free(store);
}

bool store_ping(struct ctx *ctx, struct store *store)
{
    return store->backend->type->ping(ctx, store->backend);
}

const char *store_kind(const struct store *store)
{
    return store->backend->type->kind(store->backend);
}

int64_t patience_begin(struct ctx *ctx)
{
    return ctx->patience_ms ? ctx_shorten(ctx, ctx->patience_ms) : ctx->deadline_ms;
}

bool store_stamp(const struct store *store, struct store_stamp *out)
{
    const struct backend *backend = store->backend;
    return backend->type->stamp && backend->type->stamp(backend, out);
}

struct backend *store_backend(struct store *store)
{
    return store->backend;
}

const char *store_service(const struct store *store)
{
    return store->service;
}

void store_written(struct store *store)
{
    if (store->written)
        store->written(store->self);
}

const struct collection *const *store_collections(struct store *store)
{
    return store->collections;
}

const struct collection *store_collection(struct store *store, const char *name)
{
    for (size_t i = 0; i < store->tables.count; i++)
        if (strcmp(store->collections[i]->name, name) == 0)
            return store->collections[i];
    return NULL;
}

struct table *store_table(struct ctx *ctx, struct store *store, const struct collection *of)
{
    for (size_t i = 0; i < store->tables.count; i++)
        if (store->collections[i] == of)
            return &store->tables.items[i];
    return ctx_fail(ctx, ERROR_INTERNAL, "%s was not given to store_open", of->name);
}
