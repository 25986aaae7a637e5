#include "oauth/oauth_account.h"

#include "audit/deed.h"
#include "base/clock.h"
#include "base/text.h"

#include <string.h>

/* "ISSUER ": what the links of an issuer begin with. */
static bool is_of_issuer(const char *link, const char *issuer)
{
    size_t size = strlen(issuer);
    return strncmp(link, issuer, size) == 0 && link[size] == ' ';
}

struct joining {
    const struct users *users;
    const struct oauth_identity *who;
};

static bool is_free_of_issuer(struct ctx *ctx, const struct user *user, const struct oauth_identity *who)
{
    const char *const *links = user->links.items;
    for (size_t i = 0; i < user->links.count; i++)
        if (is_of_issuer(links[i], who->issuer))
            return ctx_fail(ctx, ERROR_CONFLICT,
                            "the account with this address belongs to another person of the provider");
    return true;
}

static void append_link(struct ctx *ctx, struct user *user, const char *link)
{
    const char **links = arena_array(&ctx->arena, const char *, user->links.count + 1);
    if (user->links.count)
        memcpy(links, user->links.items, user->links.count * sizeof *links);
    links[user->links.count] = link;
    user->links = (struct list){ links, user->links.count + 1 };
}

/* Whoever set the password, and holds the sessions, has not shown that the address is theirs. */
static bool take_over(struct ctx *ctx, const struct users *users, struct user *user)
{
    bool administers;
    if (!user_administers(ctx, users, user, &administers))
        return false;
    if (administers)
        return ctx_fail(ctx, ERROR_CONFLICT,
                        "an administrator's address must be verified by a code before a provider opens the account");
    user->password = NULL;
    user->epoch++;
    user->spared = NULL;
    user->verified_at = clock_now_ms();
    return true;
}

static bool join(struct ctx *ctx, struct user *user, const void *with)
{
    const struct joining *joining = with;
    if (!is_free_of_issuer(ctx, user, joining->who))
        return false;
    if (!user->verified_at && !take_over(ctx, joining->users, user))
        return false;
    append_link(ctx, user, joining->who->link);
    return true;
}

static bool deed_in_trail(struct ctx *ctx, const struct signin *signin, const char *user_id, const char *action,
                          const struct oauth_identity *who, const struct origin *origin)
{
    const struct deed deed = { .by = user_id, .action = action, .detail = who->provider };
    return deed_of(ctx, signin->users->vault, deed, &(struct whence){ origin->device.address, origin->device.name });
}

static struct user *unless_suspended(struct ctx *ctx, struct user *user)
{
    if (!user || user->status == USER_ACTIVE)
        return user;
    return ctx_fail(ctx, ERROR_FORBIDDEN, "this account is suspended");
}

static struct user *join_account(struct ctx *ctx, const struct signin *signin, const struct user *found,
                                 const struct oauth_identity *who, const struct origin *origin)
{
    const struct joining joining = { signin->users, who };
    if (!deed_in_trail(ctx, signin, found->doc.id, "user.linked", who, origin))
        return NULL;
    struct user *user = user_edit(ctx, signin->users, found->doc.id, join, &joining);
    ctx->deed = NULL;
    if (user && !found->verified_at)
        session_end_others(ctx, signin->sessions, user);
    return user;
}

static struct user *make_account(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who,
                                 const struct origin *origin)
{
    const struct new_user in = {
        .email = who->email,
        .name = who->name,
        .picture = who->picture,
        .locale = ctx->locale,
        .link = who->link,
        .verified_at = clock_now_ms(),
    };
    if (!deed_in_trail(ctx, signin, NULL, "user.created", who, origin))
        return NULL;
    struct user *user = user_create(ctx, signin->users, &in);
    ctx->deed = NULL;
    return user;
}

static struct user *by_address(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who,
                               const struct origin *origin)
{
    struct user *user = user_find(ctx, signin->users, who->email);
    if (user)
        return unless_suspended(ctx, user) ? join_account(ctx, signin, user, who, origin) : NULL;
    return ctx_forgive(ctx, ERROR_NOT_FOUND) ? make_account(ctx, signin, who, origin) : NULL;
}

static struct user *by_link(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who)
{
    return unless_suspended(ctx, user_find_linked(ctx, signin->users, who->link));
}

/* Of two first sign-ins at once one makes or links the account; the other then finds it. */
static struct user *once_more(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who,
                              struct error *why)
{
    struct user *user = by_link(ctx, signin, who);
    if (user || !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return user;
    ctx->error = why;
    return NULL;
}

struct user *oauth_account(struct ctx *ctx, const struct signin *signin, const struct oauth_identity *who,
                           const struct origin *origin)
{
    struct user *user = by_link(ctx, signin, who);
    if (user || !ctx_forgive(ctx, ERROR_NOT_FOUND))
        return user;
    if (!who->verified)
        return ctx_fail(ctx, ERROR_FORBIDDEN, "the provider does not say that your address is verified");
    user = by_address(ctx, signin, who, origin);
    struct error *why = ctx->error;
    return user || !ctx_forgive(ctx, ERROR_CONFLICT) ? user : once_more(ctx, signin, who, why);
}
