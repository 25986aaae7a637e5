#include "revocation/announcer.h"

#include "base/clock.h"
#include "base/log.h"

enum { TELL_MS = 250, CATCH_UP_MS = 2000 };

static bool settle(struct ctx *ctx, const struct announcer *announcer, const struct announced *what,
                   const struct untold *item)
{
    if (what->settle(ctx, announcer->store, item))
        return true;
    /* Gone, or written again: then there is nothing left to settle, or the newer write waits to be told itself. */
    return ctx_forgive(ctx, ERROR_NOT_FOUND) || ctx_forgive(ctx, ERROR_CONFLICT);
}

static bool tell(struct ctx *ctx, const struct announcer *announcer, const struct announced *what,
                 const struct untold *item)
{
    feed_note(announcer->feed, what->kind, item->id, item->version);
    return feed_publish(ctx, announcer->feed, what->kind, item->id, item->version) &&
           settle(ctx, announcer, what, item);
}

void announce(struct ctx *ctx, const struct announcer *announcer, const struct announced *what, const char *id,
              int64_t version)
{
    if (!announcer)
        return;
    struct error *pending = ctx->error;
    int64_t deadline = ctx->deadline_ms;
    ctx->deadline_ms = clock_ms() + ctx_left_ms(ctx, TELL_MS);
    if (!tell(ctx, announcer, what, &(struct untold){ id, version }))
        log_failure(LOG_INFO, ctx, "a revocation waits to be published");
    ctx->deadline_ms = deadline;
    ctx->error = pending;
}

void announce_later(const struct announcer *announcer, const struct announced *what, const char *id, int64_t version)
{
    if (announcer)
        feed_note(announcer->feed, what->kind, id, version);
}

static bool tell_pending(struct ctx *ctx, const struct announcer *announcer, const struct announced *what)
{
    struct untold *items;
    size_t count;
    if (!what->pending(ctx, announcer->store, clock_now_ms(), &items, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        ctx->deadline_ms = clock_ms() + CATCH_UP_MS;
        if (!tell(ctx, announcer, what, &items[i]))
            return false;
    }
    return true;
}

bool announce_pending(struct ctx *ctx, void *self)
{
    const struct announcer *announcer = self;
    for (const struct announced *const *what = announcer->kinds; *what; what++)
        if (!tell_pending(ctx, announcer, *what))
            return false;
    return true;
}
