#pragma once
/*
 * What seals the private keys that stand in a store: a pair of functions, so
 * that the key which seals may be in a file today and in a KMS tomorrow. Other
 * code asks vault_seal() and vault_unseal() and knows neither. Any thread; may
 * block until ctx->deadline_ms.
 */
#include "base/settings.h"

struct vault {
    const void *self;
    /* As seal() and unseal() of crypto/digest.h, without the secret. ERROR_UNAVAILABLE where the key cannot be asked.
     */
    char *(*seal)(struct ctx *ctx, const void *self, const char *purpose, const char *bound, const void *data,
                  size_t size);
    char *(*unseal)(struct ctx *ctx, const void *self, const char *purpose, const char *bound, const char *sealed,
                    size_t *size);
};

/* The key is made from a secret of the settings (AUTH_MASTER_SECRET_FILE), which is kept and read when it is needed. */
struct vault vault_of_secret(const struct secret *master);

/* `data` under the vault's key, for this purpose and bound to this id; text, in ctx->arena. */
char *vault_seal(struct ctx *ctx, const struct vault *vault, const char *purpose, const char *bound, const void *data,
                 size_t size);
/* ERROR_INTERNAL when it was not sealed by this vault for this purpose and id. */
char *vault_unseal(struct ctx *ctx, const struct vault *vault, const char *purpose, const char *bound,
                   const char *sealed, size_t *size);
