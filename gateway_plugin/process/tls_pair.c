#include "process/tls_pair.h"

#include "base/cleanup.h"
#include "must.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

enum { PEM_MAX = 256 * 1024 };

/* AEAD only, and those of 128 bits first: they cost less and are no weaker where it counts. */
static const char suites[] = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20"; /* of TLS 1.2 */
static const char suites13[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

SSL_CTX *tls_context(void)
{
    SSL_CTX *tls = must(SSL_CTX_new(TLS_server_method()));
    if (!SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) || !SSL_CTX_set_cipher_list(tls, suites) ||
        !SSL_CTX_set_ciphersuites(tls, suites13))
        abort();
    SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    return tls;
}

static int on_passphrase(char *out, int size, int writes, void *asked)
{
    (void)out;
    (void)size;
    (void)writes;
    *(bool *)asked = true;
    return -1;
}

static enum tls_part fault_of(enum tls_part part, char *why, const char *text)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    if (text)
        snprintf(why, TLS_WHY_MAX, "%s", text);
    else
        snprintf(why, TLS_WHY_MAX, "OpenSSL does not take it: %s", reason ? reason : "unknown");
    return part;
}

/* The certificates behind the first, up to the end. */
static bool take_chain(SSL_CTX *tls, BIO *bio)
{
    X509 *next;
    bool good = SSL_CTX_clear_chain_certs(tls) == 1;
    while (good && (next = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
        good = SSL_CTX_add0_chain_cert(tls, next) == 1;
        if (!good)
            X509_free(next);
    }
    return good && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

static enum tls_part use_certificate(SSL_CTX *tls, const char *text, char *why)
{
    BIO *bio = must(BIO_new_mem_buf(text, -1));
    X509 *x509 = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL);
    enum tls_part part = TLS_GOOD;
    if (!x509)
        part = fault_of(TLS_CERTIFICATE, why, "is no certificate in PEM");
    else if (SSL_CTX_use_certificate(tls, x509) != 1)
        part = fault_of(TLS_CERTIFICATE, why, NULL);
    else if (!take_chain(tls, bio))
        part = fault_of(TLS_CERTIFICATE, why, "what follows the first certificate is none");
    X509_free(x509);
    BIO_free(bio);
    return part;
}

static enum tls_part use_key(SSL_CTX *tls, const char *text, char *why)
{
    bool asked = false;
    BIO *bio = must(BIO_new_mem_buf(text, -1));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &asked);
    enum tls_part part = TLS_GOOD;
    if (!key)
        part = fault_of(TLS_KEY, why,
                        asked ? "is sealed with a passphrase: give it unsealed" : "is no private key in PEM");
    else if (X509_check_private_key(SSL_CTX_get0_certificate(tls), key) != 1)
        part = fault_of(TLS_KEY, why, "does not belong to the certificate");
    else if (SSL_CTX_use_PrivateKey(tls, key) != 1)
        part = fault_of(TLS_KEY, why, NULL);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return part;
}

enum tls_part tls_pair_use(SSL_CTX *tls, const char *certificate, const char *key, char why[TLS_WHY_MAX])
{
    ERR_clear_error();
    enum tls_part part = use_certificate(tls, certificate, why);
    if (part == TLS_GOOD)
        part = use_key(tls, key, why);
    ERR_clear_error();
    return part;
}

void tls_pair_names(SSL_CTX *tls, void (*each)(void *self, const char *name), void *self)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(SSL_CTX_get0_certificate(tls), NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        const char *text = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
        /* A NUL within would cut off what somebody signed. */
        if (strlen(text) == (size_t)ASN1_STRING_length(name->d.dNSName))
            each(self, text);
    }
    GENERAL_NAMES_free(names);
}

bool tls_pair_expired(SSL_CTX *tls)
{
    return X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(tls))) < 0;
}

const char *tls_pem_file(struct arena *arena, const char *file)
{
    _cleanup_(closep) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    _cleanup_(freep) void *memory = must(malloc(PEM_MAX));
    char *data = memory;
    size_t size = 0;
    ssize_t got;
    while (size < PEM_MAX && (got = read(fd, data + size, PEM_MAX - size)) > 0)
        size += (size_t)got;
    return arena_memdup(arena, data, size);
}
