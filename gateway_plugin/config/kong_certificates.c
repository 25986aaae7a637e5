/* Certificates of the file, and the names that they are shown to. */
#include "config/kong.h"

#include "base/text.h"
#include "process/tls_names.h"
#include "process/tls_pair.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <string.h>

#define PEM_FIELD(name_, member_, ...) OPTION(name_, OPTION_TEXT, struct kong_certificate, member_, ##__VA_ARGS__)

const struct option certificate_options[] = {
    NOTES,
    ID(struct kong_certificate),
    PEM_FIELD("cert", cert, .required = true),
    PEM_FIELD("key", key, .required = true, .secret = true),
    PEM_FIELD("cert_alt", cert_alt),
    PEM_FIELD("key_alt", key_alt, .secret = true),
    OPTION("tags", OPTION_TEXTS, struct kong_certificate, tags),
    { .name = "snis", .kind = OPTION_CHILD },
    { 0 },
};

const struct option sni_options[] = {
    NOTES,
    ID(struct kong_sni),
    OPTION("name", OPTION_TEXT, struct kong_sni, name, .required = true, .valid = tls_name_valid,
           .rule = "is no host name, nor one whose first or last label is a star"),
    { .name = "certificate", .kind = OPTION_CHILD },
    OPTION("tags", OPTION_TEXTS, struct kong_sni, tags),
    { 0 },
};

/* `*pem` is the text itself, or the file that it stands in. */
static bool take_pem(struct kong_reader *reader, const char *path, const struct node *node, const char *name,
                     const char **pem)
{
    struct faults *faults = reader->faults;
    const struct node *field = node_get(node, name);
    int line = field ? field->line : node->line;
    if (!*pem)
        return false;
    if (strstr(*pem, "-----BEGIN "))
        return true;
    if (**pem != '/')
        return fault(faults, line, field_path(faults, path, name),
                     "is neither PEM nor the absolute path of a file with it");
    const char *text = tls_pem_file(faults->arena, *pem);
    if (!text)
        return fault(faults, line, field_path(faults, path, name), "%s cannot be read: %s", *pem, strerror(errno));
    *pem = text;
    return true;
}

static void check_pair(struct kong_reader *reader, const char *path, const struct node *node, const char *cert_name,
                       const char *key_name, const char **cert, const char **key)
{
    struct faults *faults = reader->faults;
    bool has_cert = take_pem(reader, path, node, cert_name, cert),
         has_key = take_pem(reader, path, node, key_name, key);
    if (!has_cert || !has_key)
        return;
    char why[TLS_WHY_MAX];
    SSL_CTX *tls = tls_context();
    enum tls_part part = tls_pair_use(tls, *cert, *key, why);
    SSL_CTX_free(tls);
    const char *name = part == TLS_KEY ? key_name : cert_name;
    if (part != TLS_GOOD)
        fault(faults, node_get(node, name)->line, field_path(faults, path, name), "%s", why);
}

static void read_sni(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct faults *faults = reader->faults;
    struct kong_sni *sni = arena_new(faults->arena, struct kong_sni), **last = &reader->config->snis;
    sni->line = node->line;
    options_read(faults, path, node, sni_options, sni);
    sni->certificate = parent;
    sni->certificate_id = parent ? NULL : read_reference_by(reader, path, node, "certificate", "id");
    if (!sni->name)
        return;
    for (; *last; last = &(*last)->next)
        if (strcasecmp((*last)->name, sni->name) == 0)
            fault(faults, node->line, field_path(faults, path, "name"), "\"%s\" has a certificate already (line %d)",
                  sni->name, (*last)->line);
    *last = sni;
}

static void read_certificate(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct faults *faults = reader->faults;
    struct kong_certificate *certificate = arena_new(faults->arena, struct kong_certificate);
    struct kong_certificate **last = &reader->config->certificates;
    certificate->line = node->line;
    options_read(faults, path, node, certificate_options, certificate);
    check_pair(reader, path, node, "cert", "key", &certificate->cert, &certificate->key);
    check_pair(reader, path, node, "cert_alt", "key_alt", &certificate->cert_alt, &certificate->key_alt);
    if (!certificate->cert_alt != !certificate->key_alt)
        fault(faults, node->line, field_path(faults, path, certificate->cert_alt ? "key_alt" : "cert_alt"),
              "is required: the other one is there");
    while (*last)
        last = &(*last)->next;
    *last = certificate;
    read_list(reader, path, node, "snis", read_sni, certificate);
}

void kong_read_certificates(struct kong_reader *reader, const struct node *root)
{
    read_list(reader, "", root, "certificates", read_certificate, NULL);
    read_list(reader, "", root, "snis", read_sni, NULL);
}

void kong_link_certificates(struct kong_reader *reader)
{
    for (struct kong_sni *sni = reader->config->snis; sni; sni = sni->next) {
        const struct kong_certificate *one = reader->config->certificates;
        if (sni->certificate)
            continue;
        while (one && !(sni->certificate_id && text_equal(one->id, sni->certificate_id)))
            one = one->next;
        sni->certificate = one;
        if (!one)
            fault(reader->faults, sni->line, "snis.certificate", "\"%s\" is no id of a certificate of this file",
                  sni->certificate_id ? sni->certificate_id : "");
    }
}
