#include "credential/proofs.h"

#include "base/cleanup.h"
#include "must.h"

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

enum { PLACES = 2048 };

struct proofs {
    struct proof places[PLACES];
};

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

struct proofs *proofs_create(void)
{
    return must(calloc(1, sizeof(struct proofs)));
}

void proofs_destroy(struct proofs *proofs)
{
    free(proofs);
}

struct proof proof_of(const void *by, size_t by_size, const char *token)
{
    struct proof proof;
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *digest = must(EVP_MD_CTX_new());
    /* The length first: what it was verified by and the token cannot run into each other. */
    uint64_t length = by_size;
    if (!EVP_DigestInit_ex(digest, EVP_sha256(), NULL) || !EVP_DigestUpdate(digest, &length, sizeof length) ||
        !EVP_DigestUpdate(digest, by, by_size) || !EVP_DigestUpdate(digest, token, strlen(token)) ||
        !EVP_DigestFinal_ex(digest, proof.digest, NULL))
        abort();
    return proof;
}

static size_t place_of(const struct proof *proof)
{
    uint64_t first;
    memcpy(&first, proof->digest, sizeof first);
    return first % PLACES;
}

bool proofs_have(const struct proofs *proofs, const struct proof *proof)
{
    return memcmp(&proofs->places[place_of(proof)], proof, sizeof *proof) == 0;
}

void proofs_add(struct proofs *proofs, const struct proof *proof)
{
    proofs->places[place_of(proof)] = *proof;
}
