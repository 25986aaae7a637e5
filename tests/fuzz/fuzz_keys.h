#pragma once
/* Keys that are the same in every run and no secret of anybody: a token signed in one run is known in the next. */
#include <openssl/evp.h>

/* 2,048 bits; the caller's. */
EVP_PKEY *fuzz_rsa_key(void);
/* P-256, with a secret made of `number`. */
EVP_PKEY *fuzz_ec_key(unsigned number);
