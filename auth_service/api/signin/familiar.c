#include "signin/familiar.h"

#include "base/text.h"
#include "lockout/lockout.h"

bool familiar_network(struct ctx *ctx, void *self, const char *email, const char *network)
{
    const struct familiar *familiar = self;
    const struct user *user = user_find(ctx, familiar->users, email);
    struct list sessions;
    if (!user) {
        ctx_forgive(ctx, ERROR_NOT_FOUND);
        return false;
    }
    if (!session_list(ctx, familiar->sessions, user, &sessions))
        return false;
    const struct session *items = sessions.items;
    for (size_t i = 0; i < sessions.count; i++)
        if (text_equal(lockout_network(&ctx->arena, items[i].address), network))
            return true;
    return false;
}
