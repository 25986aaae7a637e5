#pragma once
/*
 * TLS to members: what is offered, and by what their certificates are verified.
 * A certificate must be for the name (or the address) that the connection says
 * in its SNI.
 */
#include <stdbool.h>
#include <stdint.h>

struct ssl_ctx_st;
struct x509_store_st;

/* Those of this machine. Never NULL; for X509_STORE_free(). */
struct x509_store_st *upstream_tls_authorities(void);

struct upstream_tls {
    bool verify;
    int64_t depth;                     /* of the chain; below 0: OpenSSL's */
    struct x509_store_st *authorities; /* it takes a reference of its own; NULL: none */
};

/* Never NULL; for SSL_CTX_free(). */
struct ssl_ctx_st *upstream_tls_create(const struct upstream_tls *spec);
