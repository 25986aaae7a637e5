#include "app_password/app_password.h"

#include "app_password/app_password_store.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "crypto/vault.h"
#include "user/name_pattern.h"

#include <string.h>

enum { SECRET_BYTES = 18 };

const struct field new_app_password_fields[] = {
    FIELD("name", TEXT, struct new_app_password, name, .required = true, .min = 1, .max = 100, .pattern = NAME_PATTERN,
          .doc = "of the program or the device that will use it; one of a name"),
    { 0 },
};

static bool has_room(struct ctx *ctx, const struct app_passwords *service, const struct user *user)
{
    struct page page;
    return app_password_store_remove_before(ctx, service->store, user->doc.id, user->epoch) &&
           app_password_store_of(ctx, service->store, user->doc.id, user->epoch, &page) &&
           (page.count < APP_PASSWORDS_MAX || ctx_fail(ctx, ERROR_CONFLICT, "there are too many app passwords"));
}

static bool insert(struct ctx *ctx, const struct app_passwords *service, struct app_password *password)
{
    if (app_password_store_insert(ctx, service->store, password))
        return true;
    if (ctx_forgive(ctx, ERROR_CONFLICT))
        ctx_fail(ctx, ERROR_CONFLICT, "there is an app password of this name");
    return false;
}

/* An account that was deleted meanwhile leaves nothing behind. */
static bool still_theirs(struct ctx *ctx, const struct app_passwords *service, const struct app_password *password)
{
    const struct user *user = user_get(ctx, service->users, password->user_id);
    if (user && user->status == USER_ACTIVE)
        return true;
    if (user || ctx_forgive(ctx, ERROR_NOT_FOUND))
        if (app_password_store_remove(ctx, service->store, password))
            ctx_fail(ctx, ERROR_UNAUTHORIZED, "the session has ended");
    return false;
}

struct issued_app_password *app_password_create(struct ctx *ctx, const struct app_passwords *service,
                                                const char *user_id, const struct new_app_password *in)
{
    const struct user *user = user_get(ctx, service->users, user_id);
    if (!user || !has_room(ctx, service, user))
        return NULL;
    const char *id = id_new(&ctx->arena);
    const char *secret = random_text(&ctx->arena, SECRET_BYTES);
    struct app_password password = {
        .doc.id = id,
        .user_id = user->doc.id,
        .epoch = user->epoch,
        .name = in->name,
        .sealed = vault_seal(ctx, service->vault, APP_PASSWORD_PURPOSE, id, secret, strlen(secret)),
        .created_at = clock_now_ms(),
    };
    if (!password.sealed || !insert(ctx, service, &password) || !still_theirs(ctx, service, &password))
        return NULL;
    struct issued_app_password *issued = arena_new(&ctx->arena, struct issued_app_password);
    *issued = (struct issued_app_password){ id, in->name, secret, arena_printf(&ctx->arena, "tap_%s_%s", id, secret) };
    return issued;
}

bool app_password_list(struct ctx *ctx, const struct app_passwords *service, const char *user_id, struct list *out)
{
    struct page page;
    const struct user *user = user_get(ctx, service->users, user_id);
    if (!user || !app_password_store_of(ctx, service->store, user->doc.id, user->epoch, &page))
        return false;
    *out = (struct list){ .items = page.items, .count = page.count };
    return true;
}

bool app_password_remove(struct ctx *ctx, const struct app_passwords *service, const char *user_id, const char *id)
{
    const struct app_password *password = app_password_store_get(ctx, service->store, id);
    if (!password)
        return false;
    const struct user *user = user_get(ctx, service->users, user_id);
    if (!user)
        return false;
    if (!text_equal(password->user_id, user->doc.id) || password->epoch < user->epoch)
        return ctx_fail(ctx, ERROR_NOT_FOUND, "app password not found");
    return app_password_store_remove(ctx, service->store, password);
}
