#include "config/kong.h"

#include "head_check.h"
#include "paths.h"

#include <string.h>

static bool is_name(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!is_token_char((unsigned char)*c) && *c != ':')
            return false;
    return strlen(text) <= 128;
}

/* A path of a route: it must be as the request's will be when they are compared. */
bool is_route_path(const char *text)
{
    struct path path;
    return path_look(text, strlen(text), &path) == PATH_NORMAL && path.size == path.total && !strchr(text, '%');
}

bool is_host(const char *text)
{
    return strlen(text) <= 253 && is_authority(text, strlen(text)) && !strpbrk(text, "/@%,;=()'!$&*+");
}

#define NAME_RULE .valid = is_name, .rule = "is no name: letters, digits and .-_~ up to 128 characters"
#define NOTES                                                                                                          \
    { .name = "id", .kind = OPTION_NOTE }, { .name = "created_at", .kind = OPTION_NOTE },                              \
        { .name = "updated_at", .kind = OPTION_NOTE }, { .name = "_comment", .kind = OPTION_NOTE },                    \
    {                                                                                                                  \
        .name = "_ignore", .kind = OPTION_NOTE                                                                         \
    }

static const char *const yes_no_protocols[] = { "http", "https", NULL };

const struct option service_options[] = {
    NOTES,
    OPTION("name", OPTION_TEXT, struct kong_service, name, .required = true, NAME_RULE),
    { .name = "url", .kind = OPTION_CHILD },
    { .name = "protocol", .kind = OPTION_FIXED, .only = "http" },
    OPTION("host", OPTION_TEXT, struct kong_service, host, .valid = is_host, .rule = "is no host name or address"),
    OPTION("port", OPTION_INTEGER, struct kong_service, port, .min = 1, .max = 65535),
    OPTION("path", OPTION_TEXT, struct kong_service, path, .valid = is_route_path, .rule = "is no path in normal form"),
    OPTION("retries", OPTION_INTEGER, struct kong_service, retries, .min = 0, .max = 100),
    OPTION("connect_timeout", OPTION_INTEGER, struct kong_service, connect_timeout, .min = 1, .max = 3600000),
    OPTION("write_timeout", OPTION_INTEGER, struct kong_service, write_timeout, .min = 1, .max = 3600000),
    OPTION("read_timeout", OPTION_INTEGER, struct kong_service, read_timeout, .min = 1, .max = 3600000),
    OPTION("enabled", OPTION_FLAG, struct kong_service, enabled),
    OPTION("tags", OPTION_TEXTS, struct kong_service, tags),
    { .name = "routes", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "client_certificate", .kind = OPTION_REFUSED },
    { .name = "ca_certificates", .kind = OPTION_REFUSED },
    { .name = "tls_verify", .kind = OPTION_REFUSED },
    { .name = "tls_verify_depth", .kind = OPTION_REFUSED },
    { 0 },
};

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", NULL };

const struct option route_options[] = {
    NOTES,
    OPTION("name", OPTION_TEXT, struct kong_route, name, NAME_RULE),
    OPTION("paths", OPTION_TEXTS, struct kong_route, paths, .required = true, .valid = is_route_path,
           .rule = "is no path in normal form (regular expressions and escapes are not supported)"),
    OPTION("methods", OPTION_TEXTS, struct kong_route, method_names, .choices = methods),
    OPTION("protocols", OPTION_TEXTS, struct kong_route, protocols, .choices = yes_no_protocols),
    OPTION("strip_path", OPTION_FLAG, struct kong_route, strip_path),
    OPTION("preserve_host", OPTION_FLAG, struct kong_route, preserve_host),
    OPTION("tags", OPTION_TEXTS, struct kong_route, tags),
    { .name = "service", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "regex_priority", .kind = OPTION_FIXED, .only = "0" },
    { .name = "path_handling", .kind = OPTION_FIXED, .only = "v0" },
    { .name = "https_redirect_status_code", .kind = OPTION_FIXED, .only = "426" },
    { .name = "request_buffering", .kind = OPTION_FIXED, .only = "true" },
    { .name = "response_buffering", .kind = OPTION_FIXED, .only = "true,false" },
    { .name = "hosts", .kind = OPTION_REFUSED },
    { .name = "headers", .kind = OPTION_REFUSED },
    { .name = "snis", .kind = OPTION_REFUSED },
    { .name = "sources", .kind = OPTION_REFUSED },
    { .name = "destinations", .kind = OPTION_REFUSED },
    { .name = "expression", .kind = OPTION_REFUSED },
    { .name = "priority", .kind = OPTION_REFUSED },
    { 0 },
};

const struct option upstream_options[] = {
    NOTES,
    OPTION("name", OPTION_TEXT, struct kong_upstream, name, .required = true, .valid = is_host,
           .rule = "is no host name"),
    { .name = "algorithm", .kind = OPTION_FIXED, .only = "round-robin" },
    { .name = "slots", .kind = OPTION_NOTE },
    { .name = "hash_on", .kind = OPTION_FIXED, .only = "none" },
    { .name = "hash_fallback", .kind = OPTION_FIXED, .only = "none" },
    { .name = "hash_on_cookie_path", .kind = OPTION_FIXED, .only = "/" },
    OPTION("host_header", OPTION_TEXT, struct kong_upstream, host_header, .valid = is_host, .rule = "is no host name"),
    OPTION("tags", OPTION_TEXTS, struct kong_upstream, tags),
    { .name = "healthchecks", .kind = OPTION_CHILD },
    { .name = "targets", .kind = OPTION_CHILD },
    { .name = "client_certificate", .kind = OPTION_REFUSED },
    { .name = "use_srv_name", .kind = OPTION_FIXED, .only = "false" },
    { .name = "hash_on_header", .kind = OPTION_REFUSED },
    { .name = "hash_on_cookie", .kind = OPTION_REFUSED },
    { 0 },
};

const struct option target_options[] = {
    NOTES,
    OPTION("target", OPTION_TEXT, struct kong_target, target, .required = true),
    OPTION("weight", OPTION_INTEGER, struct kong_target, weight, .min = 0, .max = 65535),
    OPTION("tags", OPTION_TEXTS, struct kong_target, tags),
    { .name = "upstream", .kind = OPTION_CHILD },
    { 0 },
};

const struct option health_options[] = {
    { .name = "passive", .kind = OPTION_CHILD },
    { .name = "active", .kind = OPTION_REFUSED },
    { .name = "threshold", .kind = OPTION_FIXED, .only = "0" },
    { 0 },
};

const struct option passive_options[] = {
    { .name = "type", .kind = OPTION_FIXED, .only = "http" },
    { .name = "healthy", .kind = OPTION_CHILD },
    { .name = "unhealthy", .kind = OPTION_CHILD },
    { 0 },
};

const struct option healthy_options[] = {
    OPTION("successes", OPTION_INTEGER, struct kong_health, successes, .min = 0, .max = 255),
    OPTION("http_statuses", OPTION_INTEGERS, struct kong_health, success_statuses, .min = 100, .max = 599),
    { 0 },
};

const struct option unhealthy_options[] = {
    OPTION("tcp_failures", OPTION_INTEGER, struct kong_health, tcp_failures, .min = 0, .max = 255),
    OPTION("timeouts", OPTION_INTEGER, struct kong_health, timeouts, .min = 0, .max = 255),
    OPTION("http_failures", OPTION_INTEGER, struct kong_health, http_failures, .min = 0, .max = 255),
    OPTION("http_statuses", OPTION_INTEGERS, struct kong_health, failure_statuses, .min = 100, .max = 599),
    { 0 },
};

const struct option plugin_options[] = {
    NOTES,
    { .name = "name", .kind = OPTION_CHILD, .required = true },
    OPTION("instance_name", OPTION_TEXT, struct kong_plugin, instance_name, NAME_RULE),
    OPTION("enabled", OPTION_FLAG, struct kong_plugin, enabled),
    { .name = "protocols", .kind = OPTION_FIXED, .only = "http,https,grpc,grpcs" },
    { .name = "config", .kind = OPTION_CHILD },
    { .name = "service", .kind = OPTION_CHILD },
    { .name = "route", .kind = OPTION_CHILD },
    { .name = "consumer", .kind = OPTION_REFUSED },
    { .name = "consumer_group", .kind = OPTION_REFUSED },
    { .name = "run_on", .kind = OPTION_FIXED, .only = "first" },
    { .name = "ordering", .kind = OPTION_REFUSED },
    OPTION("tags", OPTION_TEXTS, struct kong_plugin, tags),
    { 0 },
};

const struct option consumer_options[] = {
    NOTES,
    OPTION("username", OPTION_TEXT, struct kong_consumer, username, NAME_RULE),
    OPTION("custom_id", OPTION_TEXT, struct kong_consumer, custom_id, NAME_RULE),
    { .name = "keyauth_credentials", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_REFUSED },
    { .name = "groups", .kind = OPTION_REFUSED },
    { .name = "acls", .kind = OPTION_REFUSED },
    OPTION("tags", OPTION_TEXTS, struct kong_consumer, tags),
    { 0 },
};

static bool is_key(const char *text)
{
    return strlen(text) <= 256 && is_field_value(text, strlen(text)) && text[0] != ' ' && text[strlen(text) - 1] != ' ';
}

const struct option key_options[] = {
    NOTES,
    OPTION("key", OPTION_TEXT, struct kong_key, key, .required = true, .valid = is_key,
           .rule = "cannot stand in a header"),
    { .name = "ttl", .kind = OPTION_REFUSED },
    { .name = "tags", .kind = OPTION_NOTE },
    { 0 },
};

const struct option root_options[] = {
    { .name = "_format_version", .kind = OPTION_FIXED, .only = "1.1,2.1,3.0", .required = true },
    { .name = "_transform", .kind = OPTION_FIXED, .only = "true" },
    { .name = "_comment", .kind = OPTION_NOTE },
    { .name = "_info", .kind = OPTION_NOTE },
    { .name = "_ignore", .kind = OPTION_NOTE },
    { .name = "services", .kind = OPTION_CHILD },
    { .name = "routes", .kind = OPTION_CHILD },
    { .name = "upstreams", .kind = OPTION_CHILD },
    { .name = "targets", .kind = OPTION_CHILD },
    { .name = "plugins", .kind = OPTION_CHILD },
    { .name = "consumers", .kind = OPTION_CHILD },
    { .name = "certificates", .kind = OPTION_REFUSED },
    { .name = "ca_certificates", .kind = OPTION_REFUSED },
    { .name = "snis", .kind = OPTION_REFUSED },
    { .name = "vaults", .kind = OPTION_REFUSED },
    { .name = "consumer_groups", .kind = OPTION_REFUSED },
    { 0 },
};
