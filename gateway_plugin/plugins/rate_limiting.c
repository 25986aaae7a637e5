/*
 * Kong's rate-limiting: so many requests in each window of the calendar, for
 * everybody by who they are. `local` counts for all processes of this edge
 * (counts.h), `redis` for all edges that share one (limit_link.h): at once, or
 * here first and there every sync_rate seconds (limit_sync.h). A request that
 * is refused counts nowhere. While Redis is away, fault_tolerant says whether
 * requests pass uncounted or are answered 503.
 */
#include "plugins/plugins.h"

#include "base/catalogue.h"
#include "base/clock.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "limiting/limit_link.h"
#include "limiting/rate_told.h"

enum limit_by { BY_CONSUMER, BY_CREDENTIAL, BY_IP, BY_SERVICE, BY_HEADER, BY_PATH };
enum policy { POLICY_LOCAL, POLICY_REDIS };

enum { NO_SYNC = -1000, SYNC_MIN_MS = 20, PLACE_MAX = 384 };

static const char *const subjects[] = { "consumer", "credential", "ip", "service", "header", "path", NULL };
static const char *const policies[] = { "local", "redis", NULL };

struct rate_limiting {
    int64_t limits[PERIODS]; /* 0: none */
    int limit_by, policy;
    const char *header_name, *path;
    bool fault_tolerant, hide_client_headers;
    int64_t error_code;
    const char *error_message;
    int64_t sync_ms; /* NO_SYNC: every request is counted in Redis at once */
    struct redis_options redis;
    const char *place; /* what it limits: the counts of two routes are two */
    h2o_iovec_t limit_texts[PERIODS];
    const char *header_lower;
    struct limit_link *link;
};

static bool is_header_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

static bool is_request_path(const char *text)
{
    return *text == '/';
}

#define LIMIT(name, period)                                                                                            \
    OPTION(name, OPTION_INTEGER, struct rate_limiting, limits[period], .min = 1, .max = 1LL << 31)
#define NO_TLS                                                                                                         \
    .kind = OPTION_FIXED, .only = "false",                                                                             \
    .instead = "hiredis has no TLS here: a Redis on loopback, or a tunnel before it"

static const struct option redis_options[] = {
    OPTION("host", OPTION_TEXT, struct redis_options, host),
    OPTION("port", OPTION_INTEGER, struct redis_options, port, .min = 1, .max = 65535),
    OPTION("timeout", OPTION_INTEGER, struct redis_options, timeout_ms, .min = 1, .max = 2147483646),
    OPTION("username", OPTION_TEXT, struct redis_options, username),
    OPTION("password", OPTION_TEXT, struct redis_options, password, .secret = true),
    OPTION("database", OPTION_INTEGER, struct redis_options, database, .min = 0, .max = 1000000),
    { .name = "ssl", NO_TLS },
    { .name = "ssl_verify", NO_TLS },
    { .name = "server_name", .kind = OPTION_REFUSED, .instead = "it is a field of TLS, which hiredis has not here" },
    { 0 },
};

static const struct option options[] = {
    LIMIT("second", PERIOD_SECOND),
    LIMIT("minute", PERIOD_MINUTE),
    LIMIT("hour", PERIOD_HOUR),
    LIMIT("day", PERIOD_DAY),
    LIMIT("month", PERIOD_MONTH),
    LIMIT("year", PERIOD_YEAR),
    OPTION("limit_by", OPTION_CHOICE, struct rate_limiting, limit_by, .choices = subjects),
    OPTION("header_name", OPTION_TEXT, struct rate_limiting, header_name, .valid = is_header_name,
           .rule = "is no header name"),
    OPTION("path", OPTION_TEXT, struct rate_limiting, path, .valid = is_request_path,
           .rule = "must begin with a slash"),
    OPTION(
        "policy", OPTION_CHOICE, struct rate_limiting, policy, .choices = policies,
        .instead =
            "cluster counts in Kong's database, which is not there; redis is for all edges that share one, local for one"),
    OPTION("fault_tolerant", OPTION_FLAG, struct rate_limiting, fault_tolerant),
    OPTION("hide_client_headers", OPTION_FLAG, struct rate_limiting, hide_client_headers),
    OPTION("error_code", OPTION_INTEGER, struct rate_limiting, error_code, .min = 400, .max = 599),
    OPTION("error_message", OPTION_TEXT, struct rate_limiting, error_message),
    OPTION("redis", OPTION_MAP, struct rate_limiting, redis, .fields = redis_options),
    /* as Kong called them before 3.6 */
    OPTION("redis_host", OPTION_TEXT, struct rate_limiting, redis.host),
    OPTION("redis_port", OPTION_INTEGER, struct rate_limiting, redis.port, .min = 1, .max = 65535),
    OPTION("redis_timeout", OPTION_INTEGER, struct rate_limiting, redis.timeout_ms, .min = 1, .max = 2147483646),
    OPTION("redis_username", OPTION_TEXT, struct rate_limiting, redis.username),
    OPTION("redis_password", OPTION_TEXT, struct rate_limiting, redis.password, .secret = true),
    OPTION("redis_database", OPTION_INTEGER, struct rate_limiting, redis.database, .min = 0, .max = 1000000),
    { .name = "redis_ssl", NO_TLS },
    { .name = "redis_ssl_verify", NO_TLS },
    { .name = "redis_server_name",
      .kind = OPTION_REFUSED,
      .instead = "it is a field of TLS, which hiredis has not here" },
    OPTION("sync_rate", OPTION_SECONDS, struct rate_limiting, sync_ms, .min = -1000, .max = 3600000),
    { 0 },
};

static void defaults(void *config)
{
    *(struct rate_limiting *)config = (struct rate_limiting){ .fault_tolerant = true,
                                                              .error_code = 429,
                                                              .error_message = MESSAGE("API rate limit exceeded"),
                                                              .sync_ms = NO_SYNC,
                                                              .redis = { .port = 6379, .timeout_ms = 2000 } };
}

static void check_order(struct faults *faults, const char *path, const struct node *node,
                        const struct rate_limiting *rate)
{
    enum period shorter = PERIODS;
    for (enum period i = 0; i < PERIODS; i++) {
        if (!rate->limits[i])
            continue;
        if (shorter < PERIODS && rate->limits[i] < rate->limits[shorter]) {
            const struct node *given = node_get(node, period_names[i]);
            fault(faults, given ? given->line : node->line, field_path(faults, path, period_names[i]),
                  "must not be lower than the limit of a %s", period_names[shorter]);
        }
        shorter = i;
    }
}

static bool limits_any(const struct node *node)
{
    for (enum period i = 0; i < PERIODS; i++) {
        const struct node *given = node_get(node, period_names[i]);
        if (given && !node_null(given))
            return true;
    }
    return false;
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct rate_limiting *rate = config;
    const struct node *policy = node_get(node, "policy"), *redis = node_get(node, "redis");
    if (!limits_any(node))
        fault(faults, node->line, field_path(faults, path, "minute"),
              "or another limit must be given: second, minute, hour, day, month, year");
    check_order(faults, path, node, rate);
    if (rate->policy == POLICY_REDIS && !rate->redis.host)
        fault(faults, policy->line, field_path(faults, path, "redis.host"), "is required with policy redis");
    if (rate->sync_ms != NO_SYNC && rate->sync_ms < SYNC_MIN_MS)
        fault(faults, node_get(node, "sync_rate")->line, field_path(faults, path, "sync_rate"),
              "must be -1 (every request is counted in Redis at once) or at least 0.02 seconds");
    if (rate->limit_by == BY_HEADER && !node_get(node, "header_name"))
        fault(faults, node->line, field_path(faults, path, "header_name"), "is required with limit_by header");
    if (rate->limit_by == BY_PATH && !node_get(node, "path"))
        fault(faults, node->line, field_path(faults, path, "path"), "is required with limit_by path");
    for (const struct node *given = redis ? node->first : NULL; given; given = given->next)
        if (text_starts(given->key, "redis_"))
            fault(faults, given->line, field_path(faults, path, given->key),
                  "is the old name of redis.%s, and redis is given too", given->key + strlen("redis_"));
}

static const char *digest_of(struct arena *arena, const char *text)
{
    unsigned char digest[SHA256_SIZE];
    sha256(text, strlen(text), digest);
    return arena_printf(arena, "%s/", hex_encode(arena, digest, sizeof digest));
}

static void prepare(struct arena *arena, const struct kong_plugin *row, void *config)
{
    struct rate_limiting *rate = config;
    /* No name holds a slash. */
    const char *names[] = { row->route_name, row->service_name, row->consumer_name };
    rate->place = arena_printf(arena, "%s/%s/%s/", names[0] ? names[0] : "", names[1] ? names[1] : "",
                               names[2] ? names[2] : "");
    if (strlen(rate->place) > PLACE_MAX)
        rate->place = digest_of(arena, rate->place);
    for (enum period i = 0; i < PERIODS; i++) {
        char *text = arena_printf(arena, "%lld", (long long)rate->limits[i]);
        rate->limit_texts[i] = h2o_iovec_init(text, strlen(text));
    }
    rate->redis.sync_ms = rate->sync_ms == NO_SYNC ? 0 : rate->sync_ms;
    rate->header_lower = rate->header_name ? text_lower(arena, rate->header_name) : NULL;
}

static void attach(struct edge *edge, void *config)
{
    struct rate_limiting *rate = config;
    if (rate->policy == POLICY_REDIS)
        rate->link = limit_links_take(edge->limit_links, &rate->redis);
}

static void detach(void *config)
{
    limit_link_give(((struct rate_limiting *)config)->link);
}

/* Who is limited */

enum { WHO_ROOM = 640, NAME_MAX_SIZE = 128 };

struct who {
    char text[WHO_ROOM];
    size_t size;
};

static void add(struct who *who, const char *text, size_t size)
{
    if (size > WHO_ROOM - 1 - who->size)
        size = WHO_ROOM - 1 - who->size;
    memcpy(who->text + who->size, text, size);
    who->size += size;
    who->text[who->size] = 0;
}

static void add_digest(struct who *who, const char *data, size_t size)
{
    unsigned char digest[SHA256_SIZE];
    char text[2 * 16 + 1];
    sha256(data, size, digest);
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    add(who, text, sizeof text - 1);
}

/* false: there is no such name. */
static bool add_name(struct who *who, const char *kind, const char *name)
{
    size_t size = name ? strlen(name) : 0;
    if (!name)
        return false;
    add(who, kind, strlen(kind));
    if (size <= NAME_MAX_SIZE)
        add(who, name, size);
    else
        add_digest(who, name, size);
    return true;
}

/* A header may hold a secret: what is kept of it is a digest. */
static bool add_header(struct who *who, struct exchange *x, const struct rate_limiting *rate)
{
    size_t count;
    const h2o_iovec_t *value = exchange_request_header(x, rate->header_lower, &count);
    if (!value)
        return false;
    add(who, "header:", strlen("header:"));
    add_digest(who, value->base, value->len);
    return true;
}

/* false: it cannot be told. */
static bool add_subject(struct who *who, struct exchange *x, const struct rate_limiting *rate)
{
    const struct identity *identity = &x->identity;
    switch ((enum limit_by)rate->limit_by) {
    case BY_CONSUMER:
        return add_name(who, "consumer:", identity->id) || add_name(who, "credential:", identity->credential);
    case BY_CREDENTIAL:
        return add_name(who, "credential:", identity->credential);
    case BY_SERVICE:
        return add_name(who, "service:", x->route->service_name);
    case BY_HEADER:
        return add_header(who, x, rate);
    case BY_PATH:
        return x->path.size == strlen(rate->path) && memcmp(x->path.text, rate->path, x->path.size) == 0 &&
               add_name(who, "path:", "");
    default:
        return false;
    }
}

/* As in Kong the address stands in for what cannot be told. */
static void find_who(struct who *who, struct exchange *x, const struct rate_limiting *rate)
{
    who->size = 0;
    add(who, rate->place, strlen(rate->place));
    if (add_subject(who, x, rate))
        return;
    client_look(x);
    add_name(who, "ip:", client_text(x));
}

/* Counting */

static enum verdict decide(struct exchange *x, const struct rate_limiting *rate, const int64_t used[PERIODS],
                           int64_t now_s)
{
    x->rate_told = rate_tell(x, rate->limits, used, now_s);
    if (!x->rate_told->full)
        return VERDICT_NEXT;
    x->loop->edge->slot->rate_limits.reached++;
    exchange_refuse(x, (int)rate->error_code, rate->error_message);
    return VERDICT_ANSWERED;
}

static enum verdict unknown(struct exchange *x, const struct rate_limiting *rate)
{
    x->loop->edge->slot->rate_limits.unknown++;
    if (rate->fault_tolerant)
        return VERDICT_NEXT;
    exchange_refuse(x, 503, "the rate limit cannot be checked at the moment");
    return VERDICT_ANSWERED;
}

struct waiting {
    struct exchange *x;
    const struct rate_limiting *rate;
};

static void on_answer(void *self, const struct limit_ask *ask)
{
    struct waiting *waiting = self;
    struct exchange *x = waiting->x;
    x->cancel = NULL;
    if ((ask->away ? unknown(x, waiting->rate) : decide(x, waiting->rate, ask->used, ask->now_s)) == VERDICT_NEXT)
        exchange_resume(x);
}

static enum verdict ask_redis(struct exchange *x, const struct rate_limiting *rate, const struct who *who,
                              int64_t now_s)
{
    struct waiting *waiting = h2o_mem_alloc_pool(&x->req->pool, sizeof *waiting);
    *waiting = (struct waiting){ x, rate };
    struct limit_ask *ask = limit_ask_create(who->text);
    ask->loop = x->loop;
    ask->answer = on_answer;
    ask->self = waiting;
    ask->now_s = now_s;
    memcpy(ask->limits, rate->limits, sizeof ask->limits);
    exchange_wait(x, limit_ask_cancel, ask);
    limit_link_ask(rate->link, ask);
    return VERDICT_WAIT;
}

static enum verdict access_rate(struct exchange *x, const void *config)
{
    const struct rate_limiting *rate = config;
    struct counts *counts = x->loop->edge->shared->counts;
    struct who who;
    int64_t now_s = clock_now_ms() / 1000, used[PERIODS];
    find_who(&who, x, rate);
    if (rate->policy == POLICY_REDIS && !rate->redis.sync_ms)
        return ask_redis(x, rate, &who, now_s);
    bool good = counts_take(counts, counts_id(counts, who.text, who.size), rate->limits, now_s, used);
    if (good && rate->policy == POLICY_REDIS)
        limit_link_note(rate->link, who.text, rate->limits, now_s);
    return decide(x, rate, used, now_s);
}

static void head_of_answer(struct exchange *x, const void *config)
{
    const struct rate_limiting *rate = config;
    if (x->rate_told && !rate->hide_client_headers)
        rate_told_write(x, x->rate_told, rate->limits, rate->limit_texts);
}

const struct plugin rate_limiting_plugin = {
    .name = "rate-limiting",
    .config_size = sizeof(struct rate_limiting),
    .options = options,
    .defaults = defaults,
    .check = check,
    .prepare = prepare,
    .attach = attach,
    .detach = detach,
    .access = access_rate,
    .header = head_of_answer,
};
