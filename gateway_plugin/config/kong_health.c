/* Health checks: what is judged, by whom, and how often. */
#include "config/kong.h"

#include "client/head_check.h"

#include <string.h>

enum { SECONDS_MAX = 65535000 };

/* In the order of enum probe_type. */
static const char *const probe_types[] = { "http", "https", "tcp", NULL };

static bool is_probe_path(const char *text)
{
    if (*text != '/' || strlen(text) > 1024)
        return false;
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c == 0x7f)
            return false;
    return true;
}

#define SIDE(name_, kind_, member_, ...) OPTION(name_, kind_, struct kong_side, member_, ##__VA_ARGS__)
#define COUNT(name_, type_, member_) OPTION(name_, OPTION_INTEGER, type_, member_, .min = 0, .max = 255)
#define INTERVAL(type_) OPTION("interval", OPTION_SECONDS, type_, interval_ms, .min = 0, .max = SECONDS_MAX)
#define STATUSES(type_) OPTION("http_statuses", OPTION_INTEGERS, type_, statuses, .min = 100, .max = 599)
#define HEALTHY COUNT("successes", struct kong_healthy, successes), STATUSES(struct kong_healthy)
#define UNHEALTHY                                                                                                      \
    COUNT("tcp_failures", struct kong_unhealthy, tcp_failures), COUNT("timeouts", struct kong_unhealthy, timeouts),    \
        COUNT("http_failures", struct kong_unhealthy, http_failures), STATUSES(struct kong_unhealthy)

const struct option health_options[] = {
    OPTION("passive", OPTION_MAP, struct kong_health, passive, .fields = passive_options),
    OPTION("active", OPTION_MAP, struct kong_health, active, .fields = active_options),
    OPTION("threshold", OPTION_INTEGER, struct kong_health, threshold, .min = 0, .max = 100),
    { 0 },
};

const struct option passive_options[] = {
    SIDE("type", OPTION_CHOICE, type, .choices = probe_types),
    SIDE("healthy", OPTION_MAP, healthy, .fields = passive_healthy_options),
    SIDE("unhealthy", OPTION_MAP, unhealthy, .fields = passive_unhealthy_options),
    { 0 },
};

const struct option active_options[] = {
    SIDE("type", OPTION_CHOICE, type, .choices = probe_types),
    SIDE("timeout", OPTION_SECONDS, timeout_ms, .min = 1, .max = SECONDS_MAX),
    SIDE("concurrency", OPTION_INTEGER, concurrency, .min = 1, .max = 1LL << 31),
    SIDE("http_path", OPTION_TEXT, path, .valid = is_probe_path, .rule = "is no path"),
    SIDE("https_sni", OPTION_TEXT, sni, .valid = is_host, .rule = "is no host name"),
    SIDE("https_verify_certificate", OPTION_FLAG, verify),
    { .name = "headers", .kind = OPTION_CHILD },
    SIDE("healthy", OPTION_MAP, healthy, .fields = active_healthy_options),
    SIDE("unhealthy", OPTION_MAP, unhealthy, .fields = active_unhealthy_options),
    { 0 },
};

const struct option passive_healthy_options[] = { HEALTHY, { 0 } };
const struct option passive_unhealthy_options[] = { UNHEALTHY, { 0 } };
const struct option active_healthy_options[] = { HEALTHY, INTERVAL(struct kong_healthy), { 0 } };
const struct option active_unhealthy_options[] = { UNHEALTHY, INTERVAL(struct kong_unhealthy), { 0 } };

static void set_status(struct statuses *statuses, int64_t status)
{
    statuses->bits[status / 64] |= 1ULL << (status % 64);
}

static struct statuses statuses_of(const struct integers *list)
{
    struct statuses out = { 0 };
    for (size_t i = 0; i < list->count; i++)
        set_status(&out, list->items[i]);
    return out;
}

static struct statuses all_but(const struct statuses *others)
{
    struct statuses out = { 0 };
    for (int64_t status = 100; status < 600; status++)
        if (!statuses_have(others, (int)status))
            set_status(&out, status);
    return out;
}

static struct judge judge_of(const struct kong_side *side)
{
    struct judge judge = { .successes = side->healthy.successes,
                           .tcp = side->unhealthy.tcp_failures,
                           .timeouts = side->unhealthy.timeouts,
                           .http = side->type == PROBE_TCP ? 0 : side->unhealthy.http_failures };
    judge.bad = statuses_of(&side->unhealthy.statuses);
    /* The passive side without a list: all that is not bad. */
    judge.good = side->healthy.statuses.items ? statuses_of(&side->healthy.statuses) : all_but(&judge.bad);
    if (side->type == PROBE_TCP)
        judge.good = all_but(&(struct statuses){ 0 });
    return judge;
}

static void add_header(struct kong_reader *reader, const char *path, const struct node *name, const struct node *value,
                       struct kong_side *side)
{
    struct faults *faults = reader->faults;
    if (value->kind != NODE_SCALAR || strlen(value->text) > 1024 || !is_field_value(value->text, strlen(value->text))) {
        fault(faults, value->line, field_path(faults, path, name->key), "is no value of a header");
        return;
    }
    struct probe_header **last = &side->headers;
    while (*last)
        last = &(*last)->next;
    *last = arena_new(faults->arena, struct probe_header);
    **last = (struct probe_header){ .name = name->key, .value = value->text };
}

/* A map from names to lists of values. */
static void read_headers(struct kong_reader *reader, const char *path, const struct node *node, struct kong_side *side)
{
    if (node->kind != NODE_MAP) {
        fault(reader->faults, node->line, path, "must be a map from names to lists of values");
        return;
    }
    for (const struct node *name = node->first; name; name = name->next) {
        if (!is_header_name(name->key))
            fault(reader->faults, name->line, path, "\"%s\" is no name of a header", name->key);
        else if (name->kind != NODE_LIST)
            fault(reader->faults, name->line, field_path(reader->faults, path, name->key), "must be a list");
        else
            for (const struct node *value = name->first; value; value = value->next)
                add_header(reader, path, name, value, side);
    }
}

void kong_health_defaults(struct kong_upstream *upstream)
{
    static int64_t bad[] = { 429, 500, 503 }, active_bad[] = { 429, 404, 500, 501, 502, 503, 504, 505 },
                   active_good[] = { 200, 302 };
    /* A member that cannot be connected to is left out for a while, whatever the file says: see member.h. */
    upstream->health.passive = (struct kong_side){
        .healthy = { .successes = 1 },
        .unhealthy = { .tcp_failures = 3, .timeouts = 3, .statuses = { bad, sizeof bad / sizeof *bad } },
    };
    upstream->health.active = (struct kong_side){
        .timeout_ms = 1000,
        .concurrency = 10,
        .path = "/",
        .verify = true,
        .healthy = { .statuses = { active_good, sizeof active_good / sizeof *active_good } },
        .unhealthy = { .statuses = { active_bad, sizeof active_bad / sizeof *active_bad } },
    };
}

void kong_health_complete(struct kong_reader *reader, const char *path, const struct node *node,
                          struct kong_upstream *upstream)
{
    struct kong_health *health = &upstream->health;
    const struct node *active = node ? node_get(node, "active") : NULL, *headers = NULL;
    if (active && (headers = node_get(active, "headers")) && !node_null(headers))
        read_headers(reader, field_path(reader->faults, path, "healthchecks.active.headers"), headers, &health->active);
    upstream->balance.threshold = health->threshold;
    upstream->checks = (struct checks){ .passive = judge_of(&health->passive), .active = judge_of(&health->active) };
    upstream->checks.probed = health->active.healthy.successes && health->active.unhealthy.interval_ms;
}
