#pragma once
/*
 * The listener's TLS: 1.2 and 1.3, suites with AEAD only, ALPN h2 and http/1.1, and
 * the certificate that the client asks for by name: first those of the file's
 * `snis`, then those of EDGE_TLS_CERT, each for the names that it is made for.
 */
#include "base/ctx.h"

struct config;
struct ssl_ctx_st;

/* What sessions that are resumed are sealed with: the same in all processes, or one does not know the other's. */
struct tls_tickets {
    unsigned char bytes[80]; /* a name, a key to authenticate, a key to encrypt */
};

struct tls_wanted {
    const char *certificate_files, *key_files; /* by comma, as many of both; "": none */
    const struct config *config;
    struct tls_tickets tickets;
    int index; /* edge_tls_index() */
};

/* Once in a process: where OpenSSL keeps what is ours. */
int edge_tls_index(void);
/* NULL (and why) for a certificate or key that cannot be used, or where there is none. */
struct ssl_ctx_st *edge_tls_create(struct ctx *ctx, const struct tls_wanted *wanted);
struct ssl_ctx_st *edge_tls_ref(struct ssl_ctx_st *tls);
void edge_tls_free(struct ssl_ctx_st *tls);
