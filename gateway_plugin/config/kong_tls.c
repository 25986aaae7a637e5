/* TLS to members: the certificates that are believed, and what is asked of a member's. */
#include "config/kong.h"

#include "base/text.h"
#include "member/upstream_tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

const struct option ca_options[] = {
    NOTES,
    ID(struct kong_ca),
    OPTION("cert", OPTION_TEXT, struct kong_ca, cert, .required = true),
    { .name = "cert_digest", .kind = OPTION_NOTE },
    OPTION("tags", OPTION_TEXTS, struct kong_ca, tags),
    { 0 },
};

/* NULL: it is none. */
static X509 *certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return out;
}

static void check_ca(struct kong_reader *reader, const char *path, const struct kong_ca *ca)
{
    const char *field = field_path(reader->faults, path, "cert");
    X509 *cert = certificate(ca->cert);
    if (!cert)
        fault(reader->faults, ca->line, field, "is no certificate in PEM");
    else if (X509_check_ca(cert) <= 0)
        fault(reader->faults, ca->line, field, "is no certificate of an authority: it may sign no others");
    X509_free(cert);
}

static struct kong_ca *ca_of(const struct config *config, const char *id)
{
    struct kong_ca *ca = config->authorities;
    while (ca && !text_equal(ca->id, id))
        ca = ca->next;
    return ca;
}

void kong_read_ca(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_ca *ca = arena_new(reader->faults->arena, struct kong_ca);
    ca->line = node->line;
    options_read(reader->faults, path, node, ca_options, ca);
    if (ca->cert)
        check_ca(reader, path, ca);
    if (ca->id && ca_of(reader->config, ca->id))
        fault(reader->faults, node->line, field_path(reader->faults, path, "id"), "is another one's too");
    struct kong_ca **last = &reader->config->authorities;
    while (*last)
        last = &(*last)->next;
    *last = ca;
}

/* Services */

static void check_service(struct kong_reader *reader, const struct kong_service *service)
{
    const char *field = service->tls_verify              ? "services.tls_verify"
                        : service->ca_certificates.count ? "services.ca_certificates"
                        : service->tls_verify_depth >= 0 ? "services.tls_verify_depth"
                                                         : NULL;
    if (!service->https && field)
        fault(reader->faults, service->line, field, "needs protocol https");
    for (size_t i = 0; i < service->ca_certificates.count; i++)
        if (!ca_of(reader->config, service->ca_certificates.items[i]))
            fault(reader->faults, service->line, "services.ca_certificates", "\"%s\" is no CA certificate of this file",
                  service->ca_certificates.items[i]);
}

void kong_tls_check(struct kong_reader *reader)
{
    for (const struct kong_service *one = reader->config->services; one; one = one->next)
        check_service(reader, one);
}

static void add_ca(X509_STORE *store, const struct kong_ca *ca)
{
    X509 *cert = certificate(ca->cert);
    X509_STORE_add_cert(store, cert);
    X509_free(cert);
}

/* The machine's authorities are read once for a configuration, and only where they are needed. */
struct authorities {
    X509_STORE *machine;
};

static X509_STORE *machine(struct authorities *authorities)
{
    if (!authorities->machine)
        authorities->machine = upstream_tls_authorities();
    return authorities->machine;
}

/* The service's own instead of the machine's, as in Kong. */
static X509_STORE *store_of(struct kong_reader *reader, const struct kong_service *service,
                            struct authorities *authorities)
{
    X509_STORE *store;
    if (!service->ca_certificates.count) {
        store = machine(authorities);
        X509_STORE_up_ref(store);
        return store;
    }
    store = X509_STORE_new();
    for (size_t i = 0; i < service->ca_certificates.count; i++)
        add_ca(store, ca_of(reader->config, service->ca_certificates.items[i]));
    return store;
}

static void link_service(struct kong_reader *reader, struct kong_service *service, struct authorities *authorities)
{
    if (!service->https)
        return;
    X509_STORE *store = service->tls_verify ? store_of(reader, service, authorities) : NULL;
    service->tls = upstream_tls_create(&(struct upstream_tls){
        .verify = service->tls_verify, .depth = service->tls_verify_depth, .authorities = store });
    X509_STORE_free(store);
}

/* Upstreams */

static void link_upstream(struct kong_reader *reader, struct kong_upstream *upstream, struct authorities *authorities)
{
    const struct kong_side *active = &upstream->health.active;
    if (upstream->host_header) {
        const char *colon = strrchr(upstream->host_header, ':');
        upstream->tls_name = colon && !strchr(colon, ']') ? arena_memdup(reader->faults->arena, upstream->host_header,
                                                                         (size_t)(colon - upstream->host_header))
                                                          : upstream->host_header;
    }
    if (active->type != PROBE_HTTPS || (!active->healthy.interval_ms && !active->unhealthy.interval_ms))
        return;
    upstream->probe_tls = upstream_tls_create(&(struct upstream_tls){
        .verify = active->verify, .depth = -1, .authorities = active->verify ? machine(authorities) : NULL });
}

void kong_tls_link(struct kong_reader *reader)
{
    struct authorities authorities = { 0 };
    for (struct kong_service *one = reader->config->services; one; one = one->next)
        link_service(reader, one, &authorities);
    for (struct kong_upstream *one = reader->config->upstreams; one; one = one->next)
        link_upstream(reader, one, &authorities);
    X509_STORE_free(authorities.machine);
}

void kong_tls_free(struct config *config)
{
    for (struct kong_service *one = config->services; one; one = one->next)
        SSL_CTX_free(one->tls);
    for (struct kong_upstream *one = config->upstreams; one; one = one->next)
        SSL_CTX_free(one->probe_tls);
}
