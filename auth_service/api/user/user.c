#include "user/user.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/random.h"
#include "crypto/digest.h"
#include "revocation/announcer.h"
#include "user/common_password.h"
#include "user/name_pattern.h"
#include "user/user_store.h"

#include <string.h>

enum { EDIT_TRIES = 16 };

const struct field new_user_fields[] = {
    FIELD("email", TEXT, struct new_user, email, .required = true, .max = USER_EMAIL_MAX, .valid = is_email,
          .rule = "email", .sensitive = true),
    FIELD("password", TEXT, struct new_user, password, .required = true, .min = USER_PASSWORD_MIN,
          .max = USER_PASSWORD_MAX, .valid = is_uncommon_password, .rule = "uncommon", .sensitive = true),
    FIELD("name", TEXT, struct new_user, name, .required = true, .min = USER_NAME_MIN, .max = USER_NAME_MAX,
          .pattern = NAME_PATTERN),
    FIELD("profilePicUrl", TEXT, struct new_user, picture, .max = USER_PICTURE_MAX, .valid = is_http_url,
          .rule = "url"),
    { 0 },
};

static bool first_roles(struct ctx *ctx, const struct users *users, const struct list *codes, struct list *out)
{
    const char *const listener[] = { ROLE_LISTENER };
    struct list default_codes = { .items = (void *)listener, .count = 1 };
    return roles_ids(ctx, users->roles, codes->count ? codes : &default_codes, NULL, out);
}

/* Asked before the hash is made: a taken address costs no CPU. The unique index decides. */
static bool address_is_free(struct ctx *ctx, const struct users *users, const char *email)
{
    if (user_store_find(ctx, users->store, email))
        return ctx_fail(ctx, ERROR_CONFLICT, "this address has an account already");
    return ctx_forgive(ctx, ERROR_NOT_FOUND);
}

static bool insert(struct ctx *ctx, const struct users *users, struct user *user)
{
    if (user_store_insert(ctx, users->store, user))
        return true;
    if (ctx_forgive(ctx, ERROR_CONFLICT))
        ctx_fail(ctx, ERROR_CONFLICT, "this address has an account already");
    return false;
}

struct user *user_create(struct ctx *ctx, const struct users *users, const struct new_user *in)
{
    struct user *user = arena_new(&ctx->arena, struct user);
    int64_t now = clock_now_ms();
    *user = (struct user){
        .doc.id = id_new(&ctx->arena),
        .email = in->email,
        .email_key = email_key(&ctx->arena, in->email),
        .name = in->name,
        .picture = in->picture,
        .locale = in->locale,
        .password = in->hash,
        .status = in->status,
        .user_version = 1,
        .epoch = 1,
        .created_at = now,
        .changed_at = now,
        .verified_at = in->verified_at,
    };
    if (in->link) { /* `in` may be gone before the user is */
        const char **link = arena_new(&ctx->arena, const char *);
        *link = in->link;
        user->links = (struct list){ link, 1 };
    }
    if (!first_roles(ctx, users, &in->roles, &user->roles) || !address_is_free(ctx, users, in->email))
        return NULL;
    if (in->password && !(user->password = password_hash(ctx, in->password, users->cost)))
        return NULL;
    return insert(ctx, users, user) ? user : NULL;
}

static struct user *unless_deleted(struct ctx *ctx, struct user *user)
{
    if (!user || user->status != USER_DELETED)
        return user;
    return ctx_fail(ctx, ERROR_NOT_FOUND, "user not found");
}

struct user *user_get(struct ctx *ctx, const struct users *users, const char *id)
{
    return unless_deleted(ctx, user_store_get(ctx, users->store, id));
}

struct user *user_find(struct ctx *ctx, const struct users *users, const char *email)
{
    return unless_deleted(ctx, user_store_find(ctx, users->store, email));
}

const char *user_former_link(struct ctx *ctx, const struct users *users, const char *link)
{
    static const char purpose[] = "former-link";
    const char *master = secret_value(ctx, users->master);
    unsigned char key[SHA256_SIZE], mac[SHA256_SIZE];
    if (!master)
        return NULL;
    hmac_sha256(master, strlen(master), purpose, strlen(purpose), key);
    hmac_sha256(key, sizeof key, link, strlen(link), mac);
    return hex_encode(&ctx->arena, mac, sizeof mac);
}

struct user *user_find_linked(struct ctx *ctx, const struct users *users, const char *link)
{
    return unless_deleted(ctx, user_store_find_linked(ctx, users->store, link));
}

bool user_administers(struct ctx *ctx, const struct users *users, const struct user *user, bool *out)
{
    struct list refs;
    if (!roles_refs(ctx, users->roles, &user->roles, &refs, NULL))
        return false;
    const struct role_ref *items = refs.items;
    *out = false;
    for (size_t i = 0; i < refs.count; i++)
        *out |= text_equal(items[i].code, ROLE_ADMIN);
    return true;
}

static struct user *edit_once(struct ctx *ctx, const struct users *users, const char *id, user_edit_fn *edit,
                              const void *with)
{
    struct user *user = user_get(ctx, users, id);
    if (!user || !edit(ctx, user, with))
        return NULL;
    user->user_version++;
    user->changed_at = user->announce = clock_now_ms();
    return user;
}

struct user *user_edit(struct ctx *ctx, const struct users *users, const char *id, user_edit_fn *edit, const void *with)
{
    for (int tries = 0; tries < EDIT_TRIES; tries++) {
        struct user *user = edit_once(ctx, users, id, edit, with);
        if (!user)
            return NULL;
        if (user_store_change(ctx, users->store, user)) {
            announce(ctx, users->announcer, &user_announced, user->doc.id, user->user_version);
            return user;
        }
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return NULL;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

static bool set_roles(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx;
    user->roles = *(const struct list *)with;
    return true;
}

static bool same_ids(const struct list *a, const struct list *b)
{
    const char *const *left = a->items, *const *right = b->items;
    for (size_t i = 0; i < a->count && a->count == b->count; i++)
        if (!text_equal(left[i], right[i]))
            return false;
    return a->count == b->count;
}

/* A PUT may be sent again when its answer was lost (RFC 9110, 9.2.2): what is so already is no change to tell of. */
struct user *user_set_roles(struct ctx *ctx, const struct users *users, const char *id, const struct list *codes)
{
    struct list ids;
    struct user *user = user_get(ctx, users, id);
    if (!user || !roles_ids(ctx, users->roles, codes, &user->roles, &ids))
        return NULL;
    if (same_ids(&user->roles, &ids))
        return user;
    return user_edit(ctx, users, id, set_roles, &ids);
}

static bool next_epoch(struct ctx *ctx, struct user *user, const void *with)
{
    (void)ctx;
    (void)with;
    user->epoch++;
    user->spared = NULL;
    return true;
}

static bool set_status(struct ctx *ctx, struct user *user, const void *with)
{
    user->status = *(const enum user_status *)with;
    return user->status == USER_SUSPENDED ? next_epoch(ctx, user, NULL) : true;
}

struct user *user_set_status(struct ctx *ctx, const struct users *users, const char *id, enum user_status status)
{
    struct user *user = user_get(ctx, users, id);
    if (!user || user->status == (int)status)
        return user;
    return user_edit(ctx, users, id, set_status, &status);
}

static bool forget_links(struct ctx *ctx, const struct users *users, struct user *user)
{
    const char *const *links = user->links.items;
    const char **former = arena_array(&ctx->arena, const char *, user->links.count + 1);
    for (size_t i = 0; i < user->links.count; i++)
        if (!(former[i] = user_former_link(ctx, users, links[i])))
            return false;
    user->former_links = (struct list){ former, user->links.count };
    user->links = (struct list){ 0 };
    return true;
}

/* ".invalid" is nobody's (RFC 2606): the address reaches no one, and is as unlike others' as the id. */
static bool become_nobody(struct ctx *ctx, struct user *user, const void *with)
{
    user->email = arena_printf(&ctx->arena, "%s@deleted.invalid", user->doc.id);
    user->email_key = email_key(&ctx->arena, user->email);
    user->name = "deleted";
    user->picture = user->locale = user->password = NULL;
    user->roles = (struct list){ 0 };
    user->verified_at = 0;
    user->status = USER_DELETED;
    return forget_links(ctx, with, user) && next_epoch(ctx, user, NULL);
}

struct user *user_delete(struct ctx *ctx, const struct users *users, const char *id)
{
    return user_edit(ctx, users, id, become_nobody, users);
}

struct user *user_end_sessions(struct ctx *ctx, const struct users *users, const char *id)
{
    return user_edit(ctx, users, id, next_epoch, NULL);
}

void user_rehash(struct ctx *ctx, const struct users *users, struct user *user, const char *password)
{
    struct error *pending = ctx->error;
    user->password = password_hash(ctx, password, users->cost);
    if (user->password)
        user_store_rehash(ctx, users->store, user);
    ctx->error = pending; /* the old hash still stands, and is rewritten next time */
}
