#include "member/upstream_tls.h"

#include "must.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

X509_STORE *upstream_tls_authorities(void)
{
    X509_STORE *store = must(X509_STORE_new());
    X509_STORE_set_default_paths(store);
    return store;
}

/* An address is looked for among the certificate's addresses, a name among its names. Without either nothing is good
 * enough. */
static int verify(X509_STORE_CTX *store, void *self)
{
    (void)self;
    const SSL *connection = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const char *name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(store);
    if (!name)
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!X509_VERIFY_PARAM_set1_ip_asc(param, name) && !X509_VERIFY_PARAM_set1_host(param, name, 0))
        return 0;
    return X509_verify_cert(store);
}

SSL_CTX *upstream_tls_create(const struct upstream_tls *spec)
{
    static const unsigned char http1[] = "\x08http/1.1";
    SSL_CTX *tls = must(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_alpn_protos(tls, http1, sizeof http1 - 1);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    if (!spec->verify)
        return tls;
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(tls, verify, NULL);
    if (spec->depth >= 0)
        SSL_CTX_set_verify_depth(tls, (int)spec->depth);
    if (spec->authorities)
        SSL_CTX_set1_cert_store(tls, spec->authorities);
    return tls;
}
