#include "crypto/vault.h"

#include "crypto/digest.h"

static char *secret_seal(struct ctx *ctx, const void *self, const char *purpose, const char *bound, const void *data,
                         size_t size)
{
    const char *master = secret_value(ctx, self);
    return master ? seal(ctx, master, purpose, bound, data, size) : NULL;
}

static char *secret_unseal(struct ctx *ctx, const void *self, const char *purpose, const char *bound,
                           const char *sealed, size_t *size)
{
    const char *master = secret_value(ctx, self);
    return master ? unseal(ctx, master, purpose, bound, sealed, size) : NULL;
}

struct vault vault_of_secret(const struct secret *master)
{
    return (struct vault){ .self = master, .seal = secret_seal, .unseal = secret_unseal };
}

char *vault_seal(struct ctx *ctx, const struct vault *vault, const char *purpose, const char *bound, const void *data,
                 size_t size)
{
    return vault->seal(ctx, vault->self, purpose, bound, data, size);
}

char *vault_unseal(struct ctx *ctx, const struct vault *vault, const char *purpose, const char *bound,
                   const char *sealed, size_t *size)
{
    return vault->unseal(ctx, vault->self, purpose, bound, sealed, size);
}
