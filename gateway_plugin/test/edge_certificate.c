#include "edge_certificate.h"

#include "edge_wire.h"

#include <criterion/criterion.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_name(X509 *x509, const char *name)
{
    char alternative[300];
    snprintf(alternative, sizeof alternative, "DNS:%s", name);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
    X509_add_ext(x509, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *certificate_of(EVP_PKEY *pkey, const char *name)
{
    X509 *x509 = X509_new();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -60);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pkey);
    X509_NAME *subject = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    add_name(x509, name);
    cr_assert(X509_sign(x509, pkey, EVP_sha256()));
    return x509;
}

void certificate_make(const char *name, const char *certificate_file, const char *key_file)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    X509 *x509 = certificate_of(pkey, name);
    FILE *file = fopen(certificate_file, "w");
    PEM_write_X509(file, x509);
    fclose(file);
    file = fopen(key_file, "w");
    PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pkey);
}

SSL *named_dial(int port, const char *server_name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    int fd = dial(port);
    cr_assert_geq(fd, 0);
    SSL_set_fd(ssl, fd);
    if (server_name)
        SSL_set_tlsext_host_name(ssl, server_name);
    int done = SSL_connect(ssl);
    cr_assert_eq(done, 1, "the handshake: %d, %s", SSL_get_error(ssl, done),
                 ERR_error_string(ERR_peek_last_error(), NULL));
    return ssl;
}

void named_close(SSL *ssl)
{
    close(SSL_get_fd(ssl));
    SSL_free(ssl);
}

char *named_ask(int port, const char *server_name, const char *text)
{
    enum { ROOM = 1 << 20 };
    char *answer = calloc(1, ROOM);
    SSL *ssl = named_dial(port, server_name);
    int size = 0, got;
    cr_assert_eq(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
    while (size < ROOM - 1 && (got = SSL_read(ssl, answer + size, ROOM - 1 - size)) > 0)
        size += got;
    named_close(ssl);
    return answer;
}
