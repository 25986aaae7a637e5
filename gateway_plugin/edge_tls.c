#include "edge_tls.h"

#include <h2o.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20"; /* of TLS 1.2; those of 1.3 are all AEAD */

static void *fail(struct ctx *ctx, SSL_CTX *tls, const char *file)
{
    char why[256] = "it cannot be read";
    unsigned long code = ERR_get_error();
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    SSL_CTX_free(tls);
    return ctx_fail(ctx, ERROR_INVALID, "TLS: %s: %s", file, why);
}

SSL_CTX *edge_tls_create(struct ctx *ctx, const char *certificate_file, const char *key_file)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (!tls || !SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) || !SSL_CTX_set_cipher_list(tls, suites))
        return fail(ctx, tls, "OpenSSL");
    SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    static const unsigned char session_context[] = "tonearm";
    SSL_CTX_set_session_id_context(tls, session_context, sizeof session_context - 1);
    if (SSL_CTX_use_certificate_chain_file(tls, certificate_file) != 1)
        return fail(ctx, tls, certificate_file);
    if (SSL_CTX_use_PrivateKey_file(tls, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(tls) != 1)
        return fail(ctx, tls, key_file);
    h2o_ssl_register_alpn_protocols(tls, h2o_alpn_protocols);
    return tls;
}

SSL_CTX *edge_tls_ref(SSL_CTX *tls)
{
    if (tls)
        SSL_CTX_up_ref(tls);
    return tls;
}

void edge_tls_free(SSL_CTX *tls)
{
    SSL_CTX_free(tls);
}
