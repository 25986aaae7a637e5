/* Upstreams and their targets. */
#include "config/kong.h"

#include "base/text.h"
#include "client/head_check.h"

#include <string.h>

enum { SLOTS = 10000 };

/* In the order of enum algorithm and enum hash_on. */
static const char *const algorithms[] = { "consistent-hashing", "least-connections", "round-robin", "latency", NULL };
static const char *const inputs[] = { "none", "consumer",  "ip",          "header", "cookie",
                                      "path", "query_arg", "uri_capture", NULL };

bool is_header_name(const char *text)
{
    return strlen(text) <= 128 && is_token(text, strlen(text));
}

static bool is_cookie_path(const char *text)
{
    return *text == '/' && strlen(text) <= 256 && is_field_value(text, strlen(text)) && !strchr(text, ';');
}

static bool is_argument(const char *text)
{
    return strlen(text) <= 128;
}

#define HEADER_NAME .valid = is_header_name, .rule = "is no name of a header"
#define ARGUMENT .valid = is_argument, .rule = "is longer than 128 characters"
#define UPSTREAM(name_, kind_, member_, ...) OPTION(name_, kind_, struct kong_upstream, member_, ##__VA_ARGS__)

const struct option upstream_options[] = {
    NOTES,
    ID(struct kong_upstream),
    UPSTREAM("name", OPTION_TEXT, name, .required = true, .valid = is_host, .rule = "is no host name"),
    UPSTREAM("algorithm", OPTION_CHOICE, balance.algorithm, .choices = algorithms),
    UPSTREAM("slots", OPTION_INTEGER, balance.slots, .min = 10, .max = 65536),
    UPSTREAM("hash_on", OPTION_CHOICE, hash_on.on, .choices = inputs),
    UPSTREAM("hash_fallback", OPTION_CHOICE, hash_fallback.on, .choices = inputs),
    UPSTREAM("hash_on_header", OPTION_TEXT, hash_names.on_header, HEADER_NAME),
    UPSTREAM("hash_fallback_header", OPTION_TEXT, hash_names.fallback_header, HEADER_NAME),
    UPSTREAM("hash_on_cookie", OPTION_TEXT, hash_names.cookie, HEADER_NAME),
    UPSTREAM("hash_on_query_arg", OPTION_TEXT, hash_names.on_query, ARGUMENT),
    UPSTREAM("hash_fallback_query_arg", OPTION_TEXT, hash_names.fallback_query, ARGUMENT),
    UPSTREAM("hash_on_uri_capture", OPTION_TEXT, hash_names.on_capture, ARGUMENT),
    UPSTREAM("hash_fallback_uri_capture", OPTION_TEXT, hash_names.fallback_capture, ARGUMENT),
    UPSTREAM("hash_on_cookie_path", OPTION_TEXT, cookie_path, .valid = is_cookie_path, .rule = "is no path"),
    UPSTREAM("host_header", OPTION_TEXT, host_header, .valid = is_host, .rule = "is no host name"),
    UPSTREAM("slow_start", OPTION_SECONDS, balance.slow_start_ms, .min = 0, .max = 3600000,
             .ours = "a member that is new, or healthy again, grows from a tenth of its weight to the whole of it"),
    UPSTREAM("tags", OPTION_TEXTS, tags),
    UPSTREAM("healthchecks", OPTION_MAP, health, .fields = health_options),
    { .name = "targets", .kind = OPTION_CHILD },
    { .name = "client_certificate",
      .kind = OPTION_REFUSED,
      .instead =
          "members are shown no certificate: let them listen on loopback, or ask for a header that request-transformer adds" },
    { .name = "use_srv_name", .kind = OPTION_FIXED, .only = "false", .instead = "host_header" },
    { .name = "sticky_sessions_cookie", .kind = OPTION_REFUSED, .instead = "hash_on: cookie" },
    { .name = "sticky_sessions_cookie_path",
      .kind = OPTION_REFUSED,
      .instead = "hash_on: cookie, and hash_on_cookie_path" },
    { 0 },
};

const struct option target_options[] = {
    NOTES,
    ID(struct kong_target),
    OPTION("target", OPTION_TEXT, struct kong_target, target, .required = true),
    OPTION("weight", OPTION_INTEGER, struct kong_target, weight, .min = 0, .max = 65535),
    OPTION("tags", OPTION_TEXTS, struct kong_target, tags),
    { .name = "upstream", .kind = OPTION_CHILD },
    { 0 },
};

/* Targets */

static bool is_target(const char *text)
{
    if (text_starts(text, "nats:"))
        return is_token(text + 5, strlen(text + 5)) && !strpbrk(text + 5, "*>.");
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || colon == text || !text_number(colon + 1, 65535, &port) || !port)
        return false;
    char host[256];
    size_t size = (size_t)(colon - text);
    if (size >= sizeof host)
        return false;
    memcpy(host, text, size);
    host[size] = 0;
    return is_host(host);
}

static struct kong_upstream *upstream_of(struct kong_reader *reader, const char *path, const struct node *node,
                                         struct kong_target *target)
{
    struct kong_upstream *upstream = reader->config->upstreams;
    target->upstream = read_reference_by(reader, path, node, "upstream", "name");
    while (upstream && !text_equal(upstream->name, target->upstream) &&
           !(upstream->id && text_equal(upstream->id, target->upstream)))
        upstream = upstream->next;
    if (!upstream)
        fault(reader->faults, node->line, field_path(reader->faults, path, "upstream"),
              "\"%s\" is no upstream of this file", target->upstream ? target->upstream : "");
    return upstream;
}

static void append_target(struct kong_upstream *upstream, struct kong_target *target)
{
    struct kong_target **last = &upstream->targets;
    while (*last)
        last = &(*last)->next;
    *last = target;
}

void kong_read_target(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    struct kong_upstream *upstream = parent;
    struct kong_target *target = arena_new(reader->faults->arena, struct kong_target);
    target->weight = 100;
    target->line = node->line;
    options_read(reader->faults, path, node, target_options, target);
    /* As Kong: its default port. */
    if (target->target && !text_starts(target->target, "nats:") && !strchr(target->target, ':'))
        target->target = arena_printf(reader->faults->arena, "%s:8000", target->target);
    if (target->target && !is_target(target->target))
        fault(reader->faults, node->line, field_path(reader->faults, path, "target"),
              "\"%s\" is neither HOST:PORT nor nats:NAME", target->target);
    if (!upstream)
        upstream = upstream_of(reader, path, node, target);
    if (upstream)
        append_target(upstream, target);
}

/* What requests are shared by */

static bool has_name(const struct hash_input *input)
{
    return input->on >= HASH_HEADER && input->on != HASH_PATH;
}

/* As a request's are. */
static void lower_names(struct arena *arena, struct hash_names *names)
{
    if (names->on_header)
        names->on_header = text_lower(arena, names->on_header);
    if (names->fallback_header)
        names->fallback_header = text_lower(arena, names->fallback_header);
}

static const char *input_name(const struct hash_names *names, int on, bool fallback)
{
    switch (on) {
    case HASH_HEADER:
        return fallback ? names->fallback_header : names->on_header;
    case HASH_QUERY_ARG:
        return fallback ? names->fallback_query : names->on_query;
    case HASH_URI_CAPTURE:
        return fallback ? names->fallback_capture : names->on_capture;
    case HASH_COOKIE:
        return names->cookie;
    default:
        return NULL;
    }
}

static void check_input(struct kong_reader *reader, const char *path, const struct hash_input *input, const char *field,
                        int line)
{
    if (has_name(input) && !input->name)
        fault(reader->faults, line, field_path(reader->faults, path, field), "is required with \"%s\"",
              inputs[input->on]);
}

/* Kong's rules for the two. */
static const char *clash(const struct hash_input *on, const struct hash_input *fallback)
{
    if (!fallback->on)
        return NULL;
    if (!on->on)
        return "must be none where hash_on is none";
    if (on->on == HASH_COOKIE)
        return "must be none where hash_on is cookie: the edge sets the cookie that is missing";
    bool same = on->on == fallback->on && (!has_name(on) || text_equal(on->name, fallback->name));
    return same ? "is what hash_on is" : NULL;
}

static void read_hash(struct kong_reader *reader, const char *path, const struct node *node,
                      struct kong_upstream *upstream)
{
    static const char *const on_fields[] = { [HASH_HEADER] = "hash_on_header",
                                             [HASH_COOKIE] = "hash_on_cookie",
                                             [HASH_QUERY_ARG] = "hash_on_query_arg",
                                             [HASH_URI_CAPTURE] = "hash_on_uri_capture" };
    static const char *const fallback_fields[] = { [HASH_HEADER] = "hash_fallback_header",
                                                   [HASH_COOKIE] = "hash_on_cookie",
                                                   [HASH_QUERY_ARG] = "hash_fallback_query_arg",
                                                   [HASH_URI_CAPTURE] = "hash_fallback_uri_capture" };
    struct hash_input *on = &upstream->hash_on, *fallback = &upstream->hash_fallback;
    lower_names(reader->faults->arena, &upstream->hash_names);
    on->name = input_name(&upstream->hash_names, on->on, false);
    fallback->name = input_name(&upstream->hash_names, fallback->on, true);
    check_input(reader, path, on, on_fields[has_name(on) ? on->on : HASH_HEADER], node->line);
    check_input(reader, path, fallback, fallback_fields[has_name(fallback) ? fallback->on : HASH_HEADER], node->line);
    const char *why = clash(on, fallback);
    if (why)
        fault(reader->faults, node->line, field_path(reader->faults, path, "hash_fallback"), "%s", why);
}

static struct kong_upstream *new_upstream(struct kong_reader *reader)
{
    struct kong_upstream *upstream = arena_new(reader->faults->arena, struct kong_upstream);
    upstream->balance = (struct balance){ .algorithm = ALGORITHM_TURNS, .slots = SLOTS };
    upstream->cookie_path = "/";
    kong_health_defaults(upstream);
    return upstream;
}

void kong_read_upstream(struct kong_reader *reader, const char *path, const struct node *node, void *parent)
{
    (void)parent;
    struct kong_upstream *upstream = new_upstream(reader);
    upstream->line = node->line;
    options_read(reader->faults, path, node, upstream_options, upstream);
    kong_health_complete(reader, path, node_get(node, "healthchecks"), upstream);
    if (node->kind == NODE_MAP)
        read_hash(reader, path, node, upstream);
    if (!upstream->name)
        upstream->name = arena_printf(reader->faults->arena, "line %d", node->line);
    read_list(reader, path, node, "targets", kong_read_target, upstream);
    *reader->last_upstream = upstream;
    reader->last_upstream = &upstream->next;
}

struct kong_upstream *kong_upstream_new(struct kong_reader *reader, const char *target)
{
    struct kong_upstream *upstream = new_upstream(reader);
    upstream->name = target;
    kong_health_complete(reader, "", NULL, upstream);
    upstream->targets = arena_new(reader->faults->arena, struct kong_target);
    *upstream->targets = (struct kong_target){ .target = target, .weight = 100 };
    return upstream;
}
