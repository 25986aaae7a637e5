#include "libjwt_verify.h"

#include <jwt.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

/* The public half: it is all that others have. */
static void public_half(const char *pem, char *out, size_t room)
{
    BIO *in = BIO_new_mem_buf(pem, -1), *made = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    PEM_write_bio_PUBKEY(made, key);
    int size = BIO_read(made, out, (int)room - 1);
    out[size > 0 ? size : 0] = '\0';
    EVP_PKEY_free(key);
    BIO_free(in);
    BIO_free(made);
}

json_t *libjwt_verify(const char *token, const char *pem)
{
    char public[4096];
    public_half(pem, public, sizeof public);
    jwt_t *jwt = NULL;
    if (jwt_decode(&jwt, token, (const unsigned char *)public, (int)strlen(public)) != 0)
        return NULL;
    char *header = jwt_get_headers_json(jwt, NULL), *claims = jwt_get_grants_json(jwt, NULL);
    json_t *out = json_pack("{s:o,s:o}", "header", json_loads(header, 0, NULL), "claims", json_loads(claims, 0, NULL));
    free(header);
    free(claims);
    jwt_free(jwt);
    return out;
}
