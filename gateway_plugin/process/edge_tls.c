#include "process/edge_tls.h"

#include "base/log.h"
#include "config/config.h"
#include "client/conn.h"
#include "process/tls_names.h"
#include "process/tls_pair.h"

#include <errno.h>
#include <h2o.h>
#include <openssl/ssl.h>
#include <string.h>

/* Made from the tables and files; what clients are accepted with (`front`) has the names in it. */
struct maker {
    struct ctx *ctx;
    const struct tls_wanted *wanted;
    struct tls_names *names;
    SSL_CTX *one;                  /* the one at hand */
    const char *certificate, *key; /* for who asks for no name, or for one that nobody has */
    const char *certificate_alt, *key_alt;
};

static void release(void *value)
{
    SSL_CTX_free(value);
}

static void free_names(void *parent, void *names, CRYPTO_EX_DATA *data, int index, long number, void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    tls_names_destroy(names);
}

int edge_tls_index(void)
{
    return SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_names);
}

/* h2o keeps its SSL to itself; the BIO that it made for it leads to the socket. */
static int on_server_name(SSL *ssl, int *alert, void *names)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = name ? tls_names_find(names, name) : NULL;
    (void)alert;
    if (name)
        conn_note_server_name(BIO_get_data(SSL_get_rbio(ssl)), name);
    if (found)
        SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

/* NULL, and why: `from` names the pair. */
static SSL_CTX *make_one(struct maker *maker, const char *from, const char *certificate, const char *key)
{
    static const unsigned char session_context[] = "tonearm";
    char why[TLS_WHY_MAX];
    SSL_CTX *tls = tls_context();
    SSL_CTX_set_session_id_context(tls, session_context, sizeof session_context - 1);
    h2o_ssl_register_alpn_protocols(tls, h2o_alpn_protocols);
    enum tls_part part = tls_pair_use(tls, certificate, key, why);
    if (part == TLS_GOOD)
        return tls;
    SSL_CTX_free(tls);
    return ctx_fail(maker->ctx, ERROR_INVALID, "TLS: %s: the %s %s", from, part == TLS_KEY ? "key" : "certificate",
                    why);
}

static void warn_expired(const char *from, SSL_CTX *tls)
{
    if (tls_pair_expired(tls))
        log_warn(NULL, "TLS: a certificate has expired", "certificate", from);
}

static SSL_CTX *make_certificate(struct maker *maker, const struct kong_certificate *certificate)
{
    char why[TLS_WHY_MAX];
    const char *from = arena_printf(&maker->ctx->arena, "certificates (line %d)", certificate->line);
    SSL_CTX *tls = make_one(maker, from, certificate->cert, certificate->key);
    if (tls)
        warn_expired(from, tls);
    if (tls && certificate->cert_alt &&
        tls_pair_use(tls, certificate->cert_alt, certificate->key_alt, why) != TLS_GOOD) {
        SSL_CTX_free(tls);
        return ctx_fail(maker->ctx, ERROR_INVALID, "TLS: %s: the second pair: %s", from, why);
    }
    return tls;
}

static void set_default(struct maker *maker, const struct kong_certificate *certificate)
{
    maker->certificate = certificate->cert;
    maker->key = certificate->key;
    maker->certificate_alt = certificate->cert_alt;
    maker->key_alt = certificate->key_alt;
}

static bool add_certificate(struct maker *maker, const struct kong_certificate *certificate)
{
    const struct kong_sni *sni = maker->wanted->config->snis;
    while (sni && sni->certificate != certificate)
        sni = sni->next;
    if (!sni)
        return true;
    SSL_CTX *tls = make_certificate(maker, certificate);
    for (; tls && sni; sni = sni->next) {
        if (sni->certificate != certificate)
            continue;
        SSL_CTX_up_ref(tls);
        tls_names_add(maker->names, sni->name, tls);
        if (strcmp(sni->name, "*") == 0)
            set_default(maker, certificate);
    }
    bool made = tls;
    SSL_CTX_free(tls);
    return made;
}

static void add_name(void *self, const char *name)
{
    struct maker *maker = self;
    SSL_CTX_up_ref(maker->one);
    tls_names_add(maker->names, name, maker->one);
}

static const char *read_file(struct maker *maker, const char *file)
{
    const char *text = tls_pem_file(&maker->ctx->arena, file);
    return text ? text : ctx_fail(maker->ctx, ERROR_INVALID, "TLS: %s: %s", file, strerror(errno));
}

static bool add_files(struct maker *maker, const char *certificate_file, const char *key_file)
{
    const char *certificate = read_file(maker, certificate_file),
               *key = certificate ? read_file(maker, key_file) : NULL;
    maker->one = key ? make_one(maker, certificate_file, certificate, key) : NULL;
    if (!maker->one)
        return false;
    warn_expired(certificate_file, maker->one);
    tls_pair_names(maker->one, add_name, maker);
    SSL_CTX_free(maker->one);
    if (!maker->certificate) {
        maker->certificate = certificate;
        maker->key = key;
    }
    return true;
}

static bool add_settings(struct maker *maker)
{
    struct arena *arena = &maker->ctx->arena;
    char *certificates = arena_strdup(arena, maker->wanted->certificate_files);
    char *keys = arena_strdup(arena, maker->wanted->key_files);
    while (certificates && *certificates) {
        char *certificate = strsep(&certificates, ","), *key = strsep(&keys, ",");
        if (!key || !*key)
            return ctx_fail(maker->ctx, ERROR_INVALID, "EDGE_TLS_KEY: there are fewer keys than certificates");
        if (!add_files(maker, certificate, key))
            return false;
    }
    return !keys || !*keys ||
           ctx_fail(maker->ctx, ERROR_INVALID, "EDGE_TLS_KEY: there are more keys than certificates");
}

static bool add_all(struct maker *maker)
{
    const struct kong_certificate *first = maker->wanted->config->certificates;
    for (const struct kong_certificate *one = first; one; one = one->next)
        if (!add_certificate(maker, one))
            return false;
    if (!add_settings(maker))
        return false;
    if (!maker->certificate && first)
        set_default(maker, first);
    return maker->certificate || ctx_fail(maker->ctx, ERROR_INVALID,
                                          "TLS: there is no certificate: EDGE_TLS_CERT, or certificates in the file");
}

/* It refers to none of those among the names: they would keep each other for ever. */
static SSL_CTX *make_front(struct maker *maker)
{
    const struct tls_wanted *wanted = maker->wanted;
    struct kong_certificate front = { .cert = maker->certificate, .key = maker->key };
    front.cert_alt = maker->certificate_alt;
    front.key_alt = maker->key_alt;
    SSL_CTX *tls = make_certificate(maker, &front);
    if (!tls)
        return NULL;
    struct tls_tickets tickets = wanted->tickets;
    SSL_CTX_set_tlsext_ticket_keys(tls, tickets.bytes, sizeof tickets.bytes);
    SSL_CTX_set_tlsext_servername_callback(tls, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(tls, maker->names);
    SSL_CTX_set_ex_data(tls, wanted->index, maker->names);
    return tls;
}

SSL_CTX *edge_tls_create(struct ctx *ctx, const struct tls_wanted *wanted)
{
    struct maker maker = { .ctx = ctx, .wanted = wanted, .names = tls_names_create(release) };
    SSL_CTX *tls = add_all(&maker) ? make_front(&maker) : NULL;
    if (!tls)
        tls_names_destroy(maker.names);
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
