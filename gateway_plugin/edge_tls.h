#pragma once
/* The listener's TLS: 1.2 and 1.3, suites with AEAD only, ALPN h2 and http/1.1. */
#include "base/ctx.h"

struct ssl_ctx_st;

/* NULL (and why) for a certificate or key that cannot be used. */
struct ssl_ctx_st *edge_tls_create(struct ctx *ctx, const char *certificate_file, const char *key_file);
struct ssl_ctx_st *edge_tls_ref(struct ssl_ctx_st *tls);
void edge_tls_free(struct ssl_ctx_st *tls);
