#include "config/kong.h"

#include "client/head_check.h"
#include "must.h"
#include "exchange/paths.h"

#include <ctype.h>
#include <string.h>

static bool is_name(const char *text)
{
    /* Other letters than those of English too, as Kong takes them. */
    for (const char *c = text; *c; c++)
        if (!is_token_char((unsigned char)*c) && *c != ':' && (unsigned char)*c < 0x80)
            return false;
    return strlen(text) <= 128;
}

bool is_plain_path(const char *text)
{
    struct path path;
    size_t size = strlen(text);
    enum path_form form = path_look(text, size, &path);
    if (form == PATH_BAD || strchr(text, '?'))
        return false;
    /* Escapes are looked at closely: they must be those that stay as they are. */
    char *out = must(malloc(size * 3 + 2));
    bool same = form == PATH_NORMAL ||
                (path_rewrite(text, size, out, &path) && path.total == size && memcmp(out, text, size) == 0);
    free(out);
    return same;
}

bool is_host(const char *text)
{
    return strlen(text) <= 253 && is_authority(text, strlen(text)) && !strpbrk(text, "/@%,;=()'!$&*+");
}

bool is_uuid(const char *text)
{
    size_t i = 0;
    for (; text[i]; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return i == 36;
}

#define REFUSED(name_, instead_)                                                                                       \
    {                                                                                                                  \
        .name = (name_), .kind = OPTION_REFUSED, .instead = (instead_)                                                 \
    }
#define NAME_RULE .valid = is_name, .rule = "is no name: letters, digits and .-_~ up to 128 bytes"

enum { TIMEOUT_MAX = INT32_MAX - 1 }; /* ms; Kong's */

static const char *const yes_no_protocols[] = { "http", "https", NULL };

const struct option service_options[] = {
    NOTES,
    ID(struct kong_service),
    OPTION("name", OPTION_TEXT, struct kong_service, name, NAME_RULE),
    { .name = "url", .kind = OPTION_CHILD },
    OPTION("protocol", OPTION_CHOICE, struct kong_service, https, .choices = yes_no_protocols),
    OPTION("host", OPTION_TEXT, struct kong_service, host, .valid = is_host, .rule = "is no host name or address"),
    OPTION("port", OPTION_INTEGER, struct kong_service, port, .min = 1, .max = 65535),
    OPTION("path", OPTION_TEXT, struct kong_service, path, .valid = is_plain_path, .rule = "is no path in normal form"),
    OPTION("retries", OPTION_INTEGER, struct kong_service, retries, .min = 0, .max = 32767),
    OPTION("connect_timeout", OPTION_INTEGER, struct kong_service, connect_timeout, .min = 1, .max = TIMEOUT_MAX),
    OPTION("write_timeout", OPTION_INTEGER, struct kong_service, write_timeout, .min = 1, .max = TIMEOUT_MAX),
    OPTION("read_timeout", OPTION_INTEGER, struct kong_service, read_timeout, .min = 1, .max = TIMEOUT_MAX),
    OPTION("enabled", OPTION_FLAG, struct kong_service, enabled),
    OPTION("tags", OPTION_TEXTS, struct kong_service, tags),
    { .name = "routes", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "client_certificate",
      .kind = OPTION_REFUSED,
      .instead =
          "members are shown no certificate: let them listen on loopback, or ask for a header that request-transformer adds" },
    OPTION("ca_certificates", OPTION_TEXTS, struct kong_service, ca_certificates, .valid = is_uuid,
           .rule = "is no UUID"),
    OPTION("tls_verify", OPTION_FLAG, struct kong_service, tls_verify),
    OPTION("tls_verify_depth", OPTION_INTEGER, struct kong_service, tls_verify_depth, .min = 0, .max = 64),
    { 0 },
};

const char *const redirect_statuses[] = { "426", "301", "302", "307", "308", NULL };

static bool is_method(const char *text)
{
    size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return !text[size] && size <= 32 && strcmp(text, "TRACE") != 0 && strcmp(text, "CONNECT") != 0;
}

const struct option route_options[] = {
    NOTES,
    ID(struct kong_route),
    OPTION("name", OPTION_TEXT, struct kong_route, name, NAME_RULE),
    OPTION("protocols", OPTION_TEXTS, struct kong_route, protocols, .choices = yes_no_protocols, .filled = true),
    OPTION("methods", OPTION_TEXTS, struct kong_route, method_names, .valid = is_method,
           .rule = "is no method that is served: capital letters, and neither TRACE nor CONNECT"),
    OPTION("hosts", OPTION_TEXTS, struct kong_route, hosts),
    OPTION("paths", OPTION_TEXTS, struct kong_route, paths),
    { .name = "headers", .kind = OPTION_CHILD },
    OPTION("snis", OPTION_TEXTS, struct kong_route, snis, .valid = is_host, .rule = "is no host name"),
    OPTION("regex_priority", OPTION_INTEGER, struct kong_route, regex_priority, .min = INT32_MIN, .max = INT32_MAX),
    OPTION("strip_path", OPTION_FLAG, struct kong_route, strip_path),
    OPTION("preserve_host", OPTION_FLAG, struct kong_route, preserve_host),
    OPTION("https_redirect_status_code", OPTION_CHOICE, struct kong_route, redirect, .choices = redirect_statuses),
    { .name = "path_handling",
      .kind = OPTION_FIXED,
      .only = "v0",
      .instead = "write the path of the service so that v0 makes the same of it" },
    { .name = "request_buffering",
      .kind = OPTION_FIXED,
      .only = "true",
      .instead = "a body is collected before it is sent on, from 1 MiB on in a file; large ones come in parts (tus)" },
    { .name = "response_buffering",
      .kind = OPTION_FIXED,
      .only = "true,false",
      .instead = "answers are passed on as they come, whatever it says" },
    OPTION("tags", OPTION_TEXTS, struct kong_route, tags),
    { .name = "service", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "sources", .kind = OPTION_REFUSED, .instead = "only routes of TCP have it; see ip-restriction" },
    { .name = "destinations", .kind = OPTION_REFUSED, .instead = "only routes of TCP have it" },
    { .name = "expression", .kind = OPTION_REFUSED, .instead = "say it by hosts, paths, methods, headers and snis" },
    { .name = "priority", .kind = OPTION_REFUSED, .instead = "it belongs to expressions; see regex_priority" },
    { 0 },
};

const struct option plugin_options[] = {
    NOTES,
    ID(struct kong_plugin),
    { .name = "name", .kind = OPTION_CHILD, .required = true },
    OPTION("instance_name", OPTION_TEXT, struct kong_plugin, instance_name, NAME_RULE),
    OPTION("enabled", OPTION_FLAG, struct kong_plugin, enabled),
    { .name = "protocols", .kind = OPTION_FIXED, .only = "http,https,grpc,grpcs,ws,wss" },
    { .name = "config", .kind = OPTION_CHILD },
    { .name = "service", .kind = OPTION_CHILD },
    { .name = "route", .kind = OPTION_CHILD },
    { .name = "consumer", .kind = OPTION_CHILD },
    REFUSED("consumer_group", "give the plugin to each consumer; acl knows groups"),
    { .name = "run_on", .kind = OPTION_FIXED, .only = "first" },
    REFUSED("ordering", "plugins run in the order of Kong's priorities"),
    OPTION("tags", OPTION_TEXTS, struct kong_plugin, tags),
    { 0 },
};

static bool is_header_text(const char *text)
{
    return strlen(text) <= 256 && is_field_value(text, strlen(text)) && text[0] != ' ' && text[strlen(text) - 1] != ' ';
}

#define HEADER_RULE .valid = is_header_text, .rule = "cannot stand in a header"

const struct option consumer_options[] = {
    NOTES,
    ID(struct kong_consumer),
    OPTION("username", OPTION_TEXT, struct kong_consumer, username, HEADER_RULE),
    OPTION("custom_id", OPTION_TEXT, struct kong_consumer, custom_id, HEADER_RULE),
    { .name = "keyauth_credentials", .kind = OPTION_CHILD },
    { .name = "acls", .kind = OPTION_CHILD },
    { .name = "jwt_secrets", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    REFUSED("groups", "acls"),
    OPTION("tags", OPTION_TEXTS, struct kong_consumer, tags),
    { 0 },
};

const struct option key_options[] = {
    NOTES,
    ID(struct kong_key),
    OPTION("key", OPTION_TEXT, struct kong_key, key, .required = true, .secret = true, HEADER_RULE),
    { .name = "consumer", .kind = OPTION_CHILD },
    REFUSED("ttl", "keys of tonearm's auth service can end"),
    { .name = "tags", .kind = OPTION_NOTE },
    { 0 },
};

const struct option signer_options[] = {
    NOTES,
    ID(struct kong_signer),
    OPTION("key", OPTION_TEXT, struct kong_signer, key, .required = true, HEADER_RULE),
    OPTION("secret", OPTION_TEXT, struct kong_signer, secret, .secret = true),
    OPTION("rsa_public_key", OPTION_TEXT, struct kong_signer, rsa_public_key),
    OPTION("algorithm", OPTION_CHOICE, struct kong_signer, algorithm, .choices = token_alg_names),
    { .name = "consumer", .kind = OPTION_CHILD },
    { .name = "tags", .kind = OPTION_NOTE },
    { 0 },
};

const struct option acl_options[] = {
    NOTES,
    { .name = "id", .kind = OPTION_NOTE },
    OPTION("group", OPTION_TEXT, struct kong_acl, group, .required = true, HEADER_RULE),
    { .name = "consumer", .kind = OPTION_CHILD },
    { .name = "tags", .kind = OPTION_NOTE },
    { 0 },
};

/* What tools note in a file. */
const struct option info_options[] = {
    { .name = "select_tags", .kind = OPTION_NOTE },
    REFUSED("defaults", "write them at each entity: Kong itself does not read them here"),
    REFUSED("lookup_tags", "name what it stands for in this file"),
    { 0 },
};

const struct option root_options[] = {
    { .name = "_format_version", .kind = OPTION_FIXED, .only = "1.1,2.1,3.0", .required = true },
    { .name = "_transform",
      .kind = OPTION_FIXED,
      .only = "true,false",
      .instead = "no credential of this file is a hash: there is nothing to be transformed" },
    { .name = "_comment", .kind = OPTION_NOTE },
    { .name = "_info", .kind = OPTION_CHILD },
    { .name = "_workspace", .kind = OPTION_FIXED, .only = "default" },
    REFUSED("_plugin_configs", "write the settings at each plugin"),
    REFUSED("_konnect", "each edge has a file of its own"),
    { .name = "_ignore", .kind = OPTION_NOTE },
    { .name = "services", .kind = OPTION_CHILD },
    { .name = "routes", .kind = OPTION_CHILD },
    { .name = "upstreams", .kind = OPTION_CHILD },
    { .name = "targets", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "consumers", .kind = OPTION_CHILD },
    { .name = "keyauth_credentials", .kind = OPTION_CHILD },
    { .name = "acls", .kind = OPTION_CHILD },
    { .name = "jwt_secrets", .kind = OPTION_CHILD },
    { .name = "certificates", .kind = OPTION_CHILD },
    { .name = "ca_certificates", .kind = OPTION_CHILD },
    { .name = "snis", .kind = OPTION_CHILD },
    REFUSED(
        "vaults",
        "write values where they belong: {vault://...} is refused; secrets of the edge itself come from files (NAME_FILE)"),
    REFUSED("consumer_groups", "acls group consumers; plugins are given to each consumer"),
    REFUSED("keys", "jwt_secrets of consumers, or the keys of tonearm's auth service"),
    REFUSED("key_sets", "jwt_secrets of consumers, or the keys of tonearm's auth service"),
    REFUSED("basicauth_credentials", "keyauth_credentials or jwt_secrets"),
    REFUSED("hmacauth_credentials", "keyauth_credentials or jwt_secrets"),
    REFUSED("oauth2_credentials", "tonearm's auth service signs people in, through other providers too"),
    REFUSED("oauth2_tokens", "tonearm's auth service gives tokens"),
    REFUSED("oauth2_authorization_codes", "tonearm's auth service signs people in"),
    REFUSED("mtls_auth_credentials", "keyauth_credentials or jwt_secrets"),
    REFUSED("sessions", "tonearm's auth service keeps sessions"),
    REFUSED("acme_storage", "certificates come from files"),
    REFUSED("ratelimiting_metrics", "counts are kept in the edge's memory or in Redis"),
    REFUSED("parameters", "it belongs to Kong's database"),
    REFUSED("tags", "tags stand at each entity"),
    REFUSED("workspaces", "there is one: start another edge with a file of its own"),
    REFUSED("filter_chains", "write a plugin in C (docs/writing-a-plugin.md)"),
    REFUSED("custom_plugins", "write a plugin in C (docs/writing-a-plugin.md)"),
    REFUSED("clustering_data_planes", "each edge has the whole file; NATS brings members and keys"),
    REFUSED("partials", "write the settings at each plugin"),
    REFUSED("licenses", "none is needed"),
    REFUSED("rbac_roles", "the admin's side listens on loopback and changes nothing but the whole file"),
    REFUSED("rbac_users", "the admin's side listens on loopback and changes nothing but the whole file"),
    REFUSED("admins", "the admin's side listens on loopback and changes nothing but the whole file"),
    REFUSED("developers", "there is no portal"),
    REFUSED("files", "there is no portal"),
    REFUSED("document_objects", "there is no portal"),
    REFUSED("event_hooks", "there are none; /metrics and the log tell what happens"),
    REFUSED("degraphql_routes", "there is no such plugin"),
    REFUSED("graphql_ratelimiting_advanced_cost_decoration", "there is no such plugin"),
    { 0 },
};
