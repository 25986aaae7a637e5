#include "store/outbox.h"

#include "store/backend.h"

static bool check_limit(struct ctx *ctx, size_t limit)
{
    return (limit >= 1 && limit <= PAGE_MAX) || ctx_fail(ctx, ERROR_INVALID, "1 to %d events at once", PAGE_MAX);
}

bool outbox_read(struct ctx *ctx, struct store *store, size_t limit, struct outbox_event **out, size_t *count)
{
    struct backend *backend = store_backend(store);
    return check_limit(ctx, limit) && backend->type->outbox_read(ctx, backend, limit, out, count);
}

bool outbox_done(struct ctx *ctx, struct store *store, const struct outbox_event *events, size_t count)
{
    struct backend *backend = store_backend(store);
    return !count || (check_limit(ctx, count) && backend->type->outbox_done(ctx, backend, events, count));
}

bool outbox_log(struct ctx *ctx, struct store *store, int64_t since_ms, const char *cursor, size_t limit,
                struct outbox_event **out, size_t *count, const char **next)
{
    struct backend *backend = store_backend(store);
    return check_limit(ctx, limit) &&
           backend->type->outbox_log(ctx, backend, since_ms, cursor, limit, out, count, next);
}

bool outbox_sweep(struct ctx *ctx, struct store *store, int64_t before_ms, size_t *dropped)
{
    struct backend *backend = store_backend(store);
    *dropped = 0;
    return backend->type->outbox_sweep(ctx, backend, before_ms, dropped);
}
