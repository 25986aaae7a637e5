/* Kong's jwt_secrets: whose tokens are taken, and by which key. */
#include "config/kong.h"

#include "crypto/digest.h"

#include <string.h>

void kong_read_signer(struct kong_reader *reader, const char *path, const struct node *node, void *consumer)
{
    struct kong_signer *signer = arena_new(reader->faults->arena, struct kong_signer);
    signer->line = node->line;
    options_read(reader->faults, path, node, signer_options, signer);
    signer->consumer = read_consumer_of(reader, path, node, consumer);
    if (!signer->key || !signer->consumer)
        return;
    signer->next = reader->config->signers;
    reader->config->signers = signer;
}

static void link_secret(struct kong_reader *reader, struct kong_signer *signer)
{
    if (!signer->secret) {
        fault(reader->faults, signer->line, "jwt_secrets.secret", "is required for %s",
              token_alg_names[signer->algorithm]);
        return;
    }
    signer->by.secret = signer->secret;
    signer->by.secret_size = strlen(signer->secret);
    signer->by_decoded.secret = token_base64(reader->faults->arena, signer->secret, &signer->by_decoded.secret_size);
}

static void link_public_key(struct kong_reader *reader, struct kong_signer *signer)
{
    const char *reason = "is required for this algorithm";
    if (signer->rsa_public_key)
        signer->by.public_key = token_key_read(signer->rsa_public_key, signer->algorithm, &reason);
    if (signer->by.public_key)
        sha256(signer->rsa_public_key, strlen(signer->rsa_public_key), signer->print);
    else
        fault(reader->faults, signer->line, "jwt_secrets.rsa_public_key", "%s", reason);
}

void kong_link_signers(struct kong_reader *reader)
{
    struct config *config = reader->config;
    size_t count = 0;
    for (struct kong_signer *signer = config->signers; signer; signer = signer->next, count++) {
        signer->by.alg = signer->by_decoded.alg = signer->algorithm;
        (token_is_symmetric(signer->algorithm) ? link_secret : link_public_key)(reader, signer);
    }
    config->sorted_signers.items = arena_array(reader->faults->arena, struct kong_name, count + 1);
    for (struct kong_signer *signer = config->signers; signer; signer = signer->next)
        names_add(&config->sorted_signers, signer->key, signer, signer->line);
    names_sort(reader, &config->sorted_signers, "jwt_secrets.key", "stands on line %d too");
}

void kong_forget_signers(struct config *config)
{
    for (struct kong_signer *signer = config->signers; signer; signer = signer->next)
        EVP_PKEY_free(signer->by.public_key);
}

const struct kong_signer *config_signer(const struct config *config, const char *key)
{
    return names_find(&config->sorted_signers, key);
}
