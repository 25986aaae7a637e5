#include "session/refresh_token.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <inttypes.h>
#include <string.h>

enum { ID_LENGTH = 24, SECRET_LENGTH = 43 }; /* 32 bytes as base64url */

static const char prefix[] = "tr_";

bool refresh_token_parse(struct ctx *ctx, const char *text, struct refresh_token *out)
{
    if (strnlen(text, REFRESH_TOKEN_MAX + 1) > REFRESH_TOKEN_MAX || !text_starts(text, prefix))
        return false;
    char *copy = arena_strdup(&ctx->arena, text + strlen(prefix));
    char *generation = strchr(copy, '_');
    char *secret = generation ? strchr(generation + 1, '_') : NULL;
    if (!secret)
        return false;
    *generation++ = '\0';
    *secret++ = '\0';
    *out = (struct refresh_token){ .session = copy, .secret = secret };
    return id_valid(copy) && text_number(generation, INT64_MAX, &out->generation) && strlen(secret) == SECRET_LENGTH;
}

char *refresh_token_write(struct ctx *ctx, const struct refresh_token *token)
{
    return arena_printf(&ctx->arena, "%s%s_%" PRId64 "_%s", prefix, token->session, token->generation, token->secret);
}

char *refresh_token_secret(struct ctx *ctx, const struct secret *master, const char *session, int64_t generation,
                           const char *salt)
{
    const char *value = secret_value(ctx, master);
    if (!value)
        return NULL;
    static const char purpose[] = "refresh-token";
    unsigned char key[SHA256_SIZE], mac[SHA256_SIZE];
    hmac_sha256(value, strlen(value), purpose, strlen(purpose), key);
    const char *bound = arena_printf(&ctx->arena, "%s|%" PRId64 "|%s", session, generation, salt);
    hmac_sha256(key, sizeof key, bound, strlen(bound), mac);
    return base64url(&ctx->arena, mac, sizeof mac);
}
