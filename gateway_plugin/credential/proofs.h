#pragma once
/*
 * Signatures that were found right: a loop's table of digests, over the token and
 * what it was verified by. To verify one by RSA takes as long as two requests
 * otherwise do; to look here a twentieth of it. What may change with time (an end, a
 * revocation, the key itself) is never kept here. Bounded: a newer one takes an older one's place.
 */
#include <stdbool.h>
#include <stddef.h>

enum { PROOF_SIZE = 32 };

struct proof {
    unsigned char digest[PROOF_SIZE];
};

struct proofs;

struct proofs *proofs_create(void);
/* NULL is fine. */
void proofs_destroy(struct proofs *proofs);
/* `by`: all that the token was verified by. */
struct proof proof_of(const void *by, size_t by_size, const char *token);
bool proofs_have(const struct proofs *proofs, const struct proof *proof);
void proofs_add(struct proofs *proofs, const struct proof *proof);
