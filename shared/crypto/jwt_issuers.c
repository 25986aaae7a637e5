#include "crypto/jwt_issuers.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/jwt_parts.h"

#include <stdatomic.h>
#include <string.h>

/* Of one issuer's keys: whatever others tell, the whole stays a set that is taken (JWKS_SIZE_MAX). */
enum { TOLD_MAX = 24 * 1024, LEEWAY_MAX = 3600 };

struct jwt_issuers {
    atomic_uint references;
    struct arena arena;
    size_t count;
    struct jwt_issuer items[JWT_ISSUERS_MAX];
};

static const char *text_of(struct jwt_issuers *issuers, const json_t *from, const char *name)
{
    return arena_strdup(&issuers->arena, json_string_value(json_object_get(from, name)));
}

static void take(struct jwt_issuers *issuers, struct arena *arena, const json_t *from)
{
    struct jwt_issuer *item = &issuers->items[issuers->count];
    int64_t leeway = json_integer_value(json_object_get(from, "leeway"));
    *item = (struct jwt_issuer){ .issuer = text_of(issuers, from, "issuer"),
                                 .audience = text_of(issuers, from, "audience"),
                                 .leeway = leeway >= 0 && leeway <= LEEWAY_MAX ? leeway : 0,
                                 .away = json_is_true(json_object_get(from, "away")),
                                 .keys = jwks_take(arena, from) };
    if (item->issuer && item->audience && item->keys)
        issuers->count++;
    else
        jwt_keys_unref(item->keys);
}

struct jwt_issuers *jwt_issuers_parse(struct arena *arena, const char *json, size_t size)
{
    _cleanup_(json_decrefp) json_t *root = size <= JWKS_SIZE_MAX ? json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL)
                                                                 : NULL;
    const json_t *list = json_object_get(root, "issuers");
    if (!json_array_size(list))
        return NULL;
    struct jwt_issuers *issuers = calloc(1, sizeof *issuers);
    if (!issuers)
        abort();
    issuers->references = 1;
    for (size_t i = 0; i < json_array_size(list) && issuers->count < JWT_ISSUERS_MAX; i++)
        take(issuers, arena, json_array_get(list, i));
    return issuers;
}

struct jwt_issuers *jwt_issuers_ref(struct jwt_issuers *issuers)
{
    atomic_fetch_add(&issuers->references, 1);
    return issuers;
}

void jwt_issuers_unref(struct jwt_issuers *issuers)
{
    if (!issuers || atomic_fetch_sub(&issuers->references, 1) > 1)
        return;
    for (size_t i = 0; i < issuers->count; i++)
        jwt_keys_unref(issuers->items[i].keys);
    arena_free(&issuers->arena);
    free(issuers);
}

const struct jwt_issuer *jwt_issuers_find(const struct jwt_issuers *issuers, const char *issuer)
{
    for (size_t i = 0; issuers && issuer && i < issuers->count; i++)
        if (text_equal(issuers->items[i].issuer, issuer))
            return &issuers->items[i];
    return NULL;
}

/* A set of keys is written as {"keys":[...]}: without its braces it is a member. */
static void put_keys(struct buf *out, const char *set)
{
    buf_add(out, set + 1, strlen(set) - 2);
}

static bool put_issuer(struct ctx *ctx, struct buf *out, const struct jwt_issuer *issuer)
{
    const char *keys = issuer->keys ? jwks_write(ctx, issuer->keys) : NULL;
    if (issuer->keys && !keys)
        return false;
    bool told = keys && strlen(keys) <= TOLD_MAX;
    buf_text(out, "{\"issuer\":");
    buf_json(out, issuer->issuer);
    buf_text(out, ",\"audience\":");
    buf_json(out, issuer->audience);
    buf_printf(out, ",\"leeway\":%lld,\"away\":%s,", (long long)issuer->leeway,
               issuer->away || !told ? "true" : "false");
    put_keys(out, told ? keys : "{\"keys\":[]}");
    buf_char(out, '}');
    return true;
}

char *jwt_issuers_write(struct ctx *ctx, const char *own, const struct jwt_issuer *issuers, size_t count)
{
    struct buf out = BUF(&ctx->arena);
    buf_char(&out, '{');
    put_keys(&out, own);
    buf_text(&out, ",\"issuers\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(&out, ',');
        if (!put_issuer(ctx, &out, &issuers[i]))
            return NULL;
    }
    buf_text(&out, "]}");
    return out.data;
}
