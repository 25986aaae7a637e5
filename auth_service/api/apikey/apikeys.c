#include "apikey/apikeys.h"

#include "apikey/apikeys_store.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "user/name_pattern.h"

#include <string.h>

enum { REVOKE_TRIES = 8, NOTE_MS = 250 };

const struct field new_apikey_fields[] = {
    FIELD("name", TEXT, struct new_apikey, name, .required = true, .min = 1, .max = 100, .pattern = NAME_PATTERN),
    FIELD("scopes", LIST, struct new_apikey, scopes, .item = TEXT, .required = true, .min = 1, .max = SCOPES_MAX,
          .pattern = "^(GENERAL|(/[A-Za-z0-9._~-]{1,64}){1,8})$",
          .doc = "GENERAL, or beginnings of public paths: /media"),
    FIELD("expiresAt", TIME, struct new_apikey, expires_at),
    FIELD("rate", INTEGER, struct new_apikey, rate, .least = 1, .most = 1000000,
          .doc = "requests a minute, kept by the edge; absent: no limit"),
    { 0 },
};

struct issued_apikey *apikey_create(struct ctx *ctx, const struct apikeys *apikeys, const struct new_apikey *in)
{
    int64_t now = clock_now_ms();
    if (in->expires_at && in->expires_at <= now) {
        ctx_violation(ctx, "expiresAt", "min", "expiresAt has passed already");
        return NULL;
    }
    const char *id = id_new(&ctx->arena);
    char *key = apikey_make(ctx, id);
    struct apikey *apikey = arena_new(&ctx->arena, struct apikey);
    *apikey = (struct apikey){
        .doc.id = id,
        .name = in->name,
        .prefix = arena_printf(&ctx->arena, "ta_%s", id),
        .hash = apikey_hash(ctx, key),
        .scopes = in->scopes,
        .rate = in->rate,
        .created_by = in->created_by,
        .created_at = now,
        .expires_at = in->expires_at,
        .announce = in->expires_at,
    };
    if (!apikey_store_insert(ctx, apikeys->store, apikey))
        return NULL;
    struct issued_apikey *issued = arena_new(&ctx->arena, struct issued_apikey);
    *issued = (struct issued_apikey){ apikey, key };
    return issued;
}

bool apikey_list(struct ctx *ctx, const struct apikeys *apikeys, size_t limit, const char *cursor, struct page *out)
{
    if (!apikey_store_page(ctx, apikeys->store, limit, cursor, out))
        return false;
    struct apikey *items = out->items;
    size_t count = out->count;
    out->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!items[i].revoked_at)
            items[out->count++] = items[i];
    return true;
}

static bool revoke_once(struct ctx *ctx, const struct apikeys *apikeys, const char *id)
{
    struct apikey *apikey = apikey_store_get(ctx, apikeys->store, id);
    if (!apikey)
        return false;
    if (apikey->revoked_at)
        return ctx_fail(ctx, ERROR_NOT_FOUND, "API key not found");
    apikey->revoked_at = apikey->announce = clock_now_ms();
    return apikey_store_revoke(ctx, apikeys->store, apikey);
}

bool apikey_revoke(struct ctx *ctx, const struct apikeys *apikeys, const char *id)
{
    for (int tries = 0; tries < REVOKE_TRIES; tries++) {
        if (revoke_once(ctx, apikeys, id)) {
            announce(ctx, apikeys->announcer, &apikey_announced, id, 0);
            return true;
        }
        if (!ctx_forgive(ctx, ERROR_CONFLICT))
            return false;
    }
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "too many changes at once");
}

static const char *const *scopes_of(struct ctx *ctx, const struct list *list)
{
    const char **scopes = arena_array(&ctx->arena, const char *, list->count + 1);
    if (list->count)
        memcpy(scopes, list->items, list->count * sizeof *scopes);
    return scopes;
}

static void *refused(struct ctx *ctx)
{
    return ctx_fail(ctx, ERROR_UNAUTHORIZED, "the API key is not valid");
}

/* If nobody else wrote since it was read: of many checks at once one notes it. Nobody is refused where it fails. */
static void note_use(struct ctx *ctx, const struct apikeys *apikeys, struct apikey *apikey)
{
    int64_t now = clock_now_ms();
    if (now - apikey->used_at < USE_NOTED_MS)
        return;
    struct error *pending = ctx->error;
    int64_t deadline_ms = ctx_shorten(ctx, NOTE_MS);
    apikey->used_at = now;
    apikey_store_use(ctx, apikeys->store, apikey);
    ctx->deadline_ms = deadline_ms;
    ctx->error = pending;
}

struct api_key *apikey_check(struct ctx *ctx, const struct apikeys *apikeys, const char *key)
{
    char id[25];
    if (!apikey_plausible(key, id))
        return refused(ctx);
    struct apikey *apikey = apikey_store_get(ctx, apikeys->store, id);
    if (!apikey)
        return ctx_forgive(ctx, ERROR_NOT_FOUND) ? refused(ctx) : NULL;
    const char *hash = apikey_hash(ctx, key);
    bool in_force = !apikey->revoked_at && (!apikey->expires_at || apikey->expires_at > clock_now_ms());
    if (!text_secret_equal(hash, apikey->hash) || !in_force)
        return refused(ctx);
    note_use(ctx, apikeys, apikey);

    struct api_key *out = arena_new(&ctx->arena, struct api_key);
    *out = (struct api_key){ apikey->doc.id, apikey->name, scopes_of(ctx, &apikey->scopes), apikey->rate,
                             apikey->expires_at };
    return out;
}

static bool begins(const char *path, const char *scope)
{
    size_t size = strlen(scope);
    return strncmp(path, scope, size) == 0 && strchr("/?", path[size]); /* "" too: strchr finds the NUL */
}

/* Spellings that somebody behind us may read in another way than we do. */
static bool is_plain(const char *path)
{
    size_t size = strcspn(path, "?");
    const char *dots = strstr(path, "..");
    const char *slashes = strstr(path, "//");
    return *path == '/' && strcspn(path, "%\\") >= size && (!dots || dots >= path + size) &&
           (!slashes || slashes >= path + size);
}

bool apikey_reaches(const struct api_key *key, const char *path)
{
    if (path && !is_plain(path))
        path = NULL;
    for (const char *const *scope = key->scopes; *scope; scope++)
        if (strcmp(*scope, SCOPE_GENERAL) == 0 || (path && begins(path, *scope)))
            return true;
    return false;
}
