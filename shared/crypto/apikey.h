#pragma once
/*
 * API keys: `ta_<id>_<secret>`: id 24 hexadecimal digits, secret 32 base62
 * characters followed by a checksum of 6 (CRC-32 of all before it, base62), so
 * that garbage is refused without asking anybody. Stored as SHA-256 of the whole.
 */
#include "base/ctx.h"

enum { APIKEY_LENGTH = 3 + 24 + 1 + 32 + 6 };

char *apikey_make(struct ctx *ctx, const char *id);
/* Form and checksum only. `id` (25 bytes, may be NULL) gets the id. */
bool apikey_plausible(const char *key, char *id);
char *apikey_hash(struct ctx *ctx, const char *key); /* hexadecimal */
