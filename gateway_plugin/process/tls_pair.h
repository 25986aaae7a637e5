#pragma once
/* A certificate and its key, as PEM texts, for TLS. Nobody is ever asked for a passphrase. */
#include "base/arena.h"

#include <stdbool.h>

struct ssl_ctx_st;

enum tls_part { TLS_GOOD, TLS_CERTIFICATE, TLS_KEY };
enum { TLS_WHY_MAX = 128 };

/* 1.2 and 1.3, suites with AEAD only, nothing of its own yet. */
struct ssl_ctx_st *tls_context(void);
/* The first certificate is the server's, the others are its chain. One of RSA and one of EC may be there both. What is
 * at fault, and `why`, in words that repeat nothing of the texts. */
enum tls_part tls_pair_use(struct ssl_ctx_st *tls, const char *certificate, const char *key, char why[TLS_WHY_MAX]);
/* Calls `each` on the names that its certificate is for. */
void tls_pair_names(struct ssl_ctx_st *tls, void (*each)(void *self, const char *name), void *self);
bool tls_pair_expired(struct ssl_ctx_st *tls);
/* What stands in a file of PEM, at most 256 KiB. NULL: errno says why. */
const char *tls_pem_file(struct arena *arena, const char *file);
