#include "crypto/apikey.h"

#include "base/random.h"
#include "base/text.h"
#include "crypto/digest.h"

#include <string.h>
#include <zlib.h>

enum { ID_AT = 3, SECRET_AT = ID_AT + 24 + 1, CHECK_AT = SECRET_AT + 32, CHECK_SIZE = APIKEY_LENGTH - CHECK_AT };

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* A letter for each byte below 248 (4 times 62), so that all are equally likely. */
static void fill_random(char *out, size_t size)
{
    unsigned char raw[64];
    while (size) {
        random_bytes(raw, sizeof raw);
        for (size_t i = 0; i < sizeof raw && size; i++)
            if (raw[i] < 248) {
                *out++ = letters[raw[i] % 62];
                size--;
            }
    }
}

static void put_check(const char *key, char out[CHECK_SIZE])
{
    unsigned long check = crc32(0, (const unsigned char *)key, CHECK_AT);
    for (int i = CHECK_SIZE; i-- > 0; check /= 62)
        out[i] = letters[check % 62];
}

char *apikey_make(struct ctx *ctx, const char *id)
{
    if (!id_valid(id))
        return ctx_fail(ctx, ERROR_INTERNAL, "no id for an API key");
    char *key = arena_printf(&ctx->arena, "ta_%s_%*s", id, APIKEY_LENGTH - SECRET_AT, "");
    fill_random(key + SECRET_AT, CHECK_AT - SECRET_AT);
    put_check(key, key + CHECK_AT);
    return key;
}

bool apikey_plausible(const char *key, char *id)
{
    char check[CHECK_SIZE];
    if (strnlen(key, APIKEY_LENGTH + 1) != APIKEY_LENGTH || !text_starts(key, "ta_") || key[SECRET_AT - 1] != '_' ||
        strspn(key + ID_AT, "0123456789abcdef") != 24 || strspn(key + SECRET_AT, letters) != APIKEY_LENGTH - SECRET_AT)
        return false;
    put_check(key, check);
    if (memcmp(check, key + CHECK_AT, CHECK_SIZE) != 0)
        return false;
    if (id) {
        memcpy(id, key + ID_AT, 24);
        id[24] = 0;
    }
    return true;
}

char *apikey_hash(struct ctx *ctx, const char *key)
{
    return sha256_hex(&ctx->arena, key, strlen(key));
}
