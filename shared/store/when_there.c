#include "store/when_there.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <time.h>

enum { PATIENCE_MS = 30000, AGAIN_MS = 100 };

/* The process blocks these until it runs (process_begin). */
static bool shall_stop(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT));
}

bool store_when_there(struct ctx *ctx, bool (*step)(struct ctx *ctx, void *self), void *self)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    bool told = false;
    while (!step(ctx, self)) {
        if (!ctx->error || ctx->error->code != ERROR_UNAVAILABLE || clock_ms() > until || shall_stop())
            return false;
        if (!told)
            log_failure(LOG_WARN, ctx, "waiting for the store");
        told = true;
        ctx_forgive(ctx, ERROR_UNAVAILABLE);
        nanosleep(&(struct timespec){ .tv_nsec = AGAIN_MS * 1000000 }, NULL);
    }
    return true;
}
