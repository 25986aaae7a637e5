/*
 * Kong's proxy-cache: answers of members are kept and given again, as they came
 * from the member: what other plugins do to an answer they do each time.
 */
#include "plugins/plugins.h"

#include "base/clock.h"
#include "process/edge.h"
#include "exchange/forward_rules.h"
#include "exchange/answer.h"
#include "plugins/cache_refresh.h"

#include <string.h>

static const char *const methods[] = { "HEAD", "GET", "POST", "PATCH", "PUT", NULL };

static const struct option memory_options[] = {
    { .name = "dictionary_name", .kind = OPTION_NOTE }, /* EDGE_CACHE says how large it is */
    { 0 },
};

static const struct option header_options[] = {
    OPTION("age", OPTION_FLAG, struct proxy_cache, tell_age),
    OPTION("Age", OPTION_FLAG, struct proxy_cache, tell_age),
    OPTION("X-Cache-Status", OPTION_FLAG, struct proxy_cache, tell_status),
    OPTION("X-Cache-Key", OPTION_FLAG, struct proxy_cache, tell_key),
    { 0 },
};

static const struct option options[] = {
    OPTION("response_code", OPTION_INTEGERS, struct proxy_cache, response_code, .min = 100, .max = 900),
    OPTION("request_method", OPTION_TEXTS, struct proxy_cache, request_method, .choices = methods),
    OPTION("content_type", OPTION_TEXTS, struct proxy_cache, content_type),
    OPTION("cache_ttl", OPTION_INTEGER, struct proxy_cache, cache_ttl, .min = 1, .max = AGE_MAX),
    { .name = "strategy",
      .kind = OPTION_FIXED,
      .only = "memory",
      .required = true,
      .instead = "the processes of the edge keep answers in memory that they share, see EDGE_CACHE" },
    OPTION("cache_control", OPTION_FLAG, struct proxy_cache, cache_control),
    OPTION("ignore_uri_case", OPTION_FLAG, struct proxy_cache, ignore_uri_case),
    OPTION("storage_ttl", OPTION_INTEGER, struct proxy_cache, storage_ttl, .min = 1, .max = AGE_MAX),
    { .name = "memory", .kind = OPTION_MAP, .offset = 0, .fields = memory_options },
    OPTION("vary_query_params", OPTION_TEXTS, struct proxy_cache, vary_query_params),
    OPTION("vary_headers", OPTION_TEXTS, struct proxy_cache, vary_headers),
    { .name = "response_headers", .kind = OPTION_MAP, .offset = 0, .fields = header_options },
    { 0 },
};

static void defaults(void *config)
{
    static int64_t codes[] = { 200, 301, 404 };
    static const char *asked[] = { "GET", "HEAD" }, *types[] = { "text/plain", "application/json" },
                      *headers[] = { "Accept-Encoding" };
    *(struct proxy_cache *)config = (struct proxy_cache){
        .response_code = { codes, 3 },
        .request_method = { asked, 2 },
        .content_type = { types, 2 },
        .vary_headers = { headers, 1 },
        .cache_ttl = 300,
        .tell_age = true,
        .tell_status = true,
        .tell_key = true,
    };
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct proxy_cache *cache = config;
    if (!node_get(node, "strategy"))
        fault(faults, node->line, field_path(faults, path, "strategy"), "is required");
    if (!cache->response_code.count)
        fault(faults, node->line, field_path(faults, path, "response_code"), "must not be empty");
}

/* What is asked */

static h2o_iovec_t request_method(const struct exchange *x)
{
    return x->new_method.base ? x->new_method : x->req->input.method;
}

static bool is_method(const struct proxy_cache *config, h2o_iovec_t method)
{
    for (size_t i = 0; i < config->request_method.count; i++)
        if (method.len == strlen(config->request_method.items[i]) &&
            memcmp(method.base, config->request_method.items[i], method.len) == 0)
            return true;
    return false;
}

static bool has(const struct exchange *x, const char *name)
{
    size_t count;
    return exchange_request_header(x, name, &count);
}

static void read_wants(const struct exchange *x, struct directives *wants)
{
    bool any = false;
    *wants = DIRECTIVES;
    for (size_t i = 0; i < x->req->headers.size; i++) {
        const h2o_header_t *header = &x->req->headers.entries[i];
        if (header->name != &H2O_TOKEN_CACHE_CONTROL->buf)
            continue;
        directives_read(wants, header->value.base, header->value.len);
        any = true;
    }
    size_t count;
    const h2o_iovec_t *pragma = any ? NULL : exchange_request_header(x, "pragma", &count);
    if (pragma && list_has(pragma->base, pragma->len, "no-cache"))
        wants->no_cache = true;
}

/* A part of an answer is neither kept nor made of what is kept. */
static bool may_ask(const struct exchange *x, const struct caching *caching)
{
    const struct proxy_cache *config = caching->fill.config;
    return is_method(config, request_method(x)) && !x->upgrade && !has(x, "range") &&
           !(config->cache_control && (caching->wants.no_store || caching->wants.no_cache));
}

/* What is kept */

static struct cached *find(struct exchange *x, struct caching *caching)
{
    struct cached *cached = answer_cache_get(caching->fill.cache, caching->fill.base);
    memcpy(caching->key, caching->fill.base, sizeof caching->key);
    if (!cached || cached->kind != CACHED_VARY)
        return cached;
    cache_key_varied(x, caching->fill.base, cached->vary, caching->key);
    cached_unref(cached);
    return answer_cache_get(caching->fill.cache, caching->key);
}

/* As the client wants it, and as its service allows. */
static enum cache_status judge(const struct caching *caching, const struct cached *cached, int64_t now_ms)
{
    const struct directives *wants = &caching->wants;
    int64_t age_ms = cached_age_ms(cached, now_ms), left_ms = cached->fresh_ms - age_ms;
    if (caching->fill.authorized && !cached->shared)
        return CACHE_MISS;
    if (caching->fill.config->cache_control) {
        if ((wants->max_age >= 0 && age_ms / 1000 > wants->max_age) ||
            (wants->min_fresh >= 0 && left_ms < wants->min_fresh * 1000))
            return CACHE_REFRESH;
        if (left_ms <= 0 && wants->max_stale >= 0)
            return -left_ms <= wants->max_stale * 1000 && !cached->strict ? CACHE_HIT : CACHE_REFRESH;
    }
    if (left_ms > 0)
        return CACHE_HIT;
    return -left_ms < cached->stale_ms ? CACHE_STALE : CACHE_REFRESH;
}

static bool same_tag(h2o_iovec_t one, const struct reply_field *other)
{
    const char *a = one.base, *b = other->value;
    size_t a_size = one.len, b_size = other->value_size;
    if (a_size > 2 && memcmp(a, "W/", 2) == 0)
        a += 2, a_size -= 2;
    if (b_size > 2 && memcmp(b, "W/", 2) == 0)
        b += 2, b_size -= 2;
    return a_size == b_size && memcmp(a, b, a_size) == 0;
}

static bool has_tag(const h2o_iovec_t *list, const struct reply_field *tag)
{
    for (const char *at = list->base, *end = at + list->len, *stop; at < end; at = stop + 1) {
        stop = memchr(at, ',', (size_t)(end - at));
        stop = stop ? stop : end;
        const char *from = at, *to = stop;
        while (from < to && *from == ' ')
            from++;
        while (to > from && to[-1] == ' ')
            to--;
        if ((to - from == 1 && *from == '*') || same_tag(h2o_iovec_init(from, (size_t)(to - from)), tag))
            return true;
    }
    return false;
}

/* The client has it already (RFC 9110, 13.2.2). */
static bool unchanged(const struct exchange *x, const struct cached *cached)
{
    size_t count;
    const h2o_iovec_t *tags = exchange_request_header(x, "if-none-match", &count);
    const struct reply_field *tag = cached_field(cached, "etag"), *modified = cached_field(cached, "last-modified");
    if (tags)
        return count == 1 && tag && has_tag(tags, tag);
    const h2o_iovec_t *since = exchange_request_header(x, "if-modified-since", &count);
    return since && count == 1 && modified && since->len == modified->value_size &&
           memcmp(since->base, modified->value, since->len) == 0;
}

static bool describes_body(const struct reply_field *field)
{
    return field->name_size > 8 && memcmp(field->name, "content-", 8) == 0;
}

static enum verdict give(struct exchange *x, struct caching *caching, struct cached *cached)
{
    h2o_req_t *req = x->req;
    bool same = cached->status == 200 && x->method & (METHOD_GET | METHOD_HEAD) && unchanged(x, cached);
    caching->given = cached;
    req->res.status = same ? 304 : cached->status;
    req->res.reason = reason_phrase(req->res.status);
    h2o_vector_reserve(&req->pool, &req->res.headers, req->res.headers.size + cached->field_count + 4);
    for (size_t i = 0; i < cached->field_count; i++) {
        const struct reply_field *field = &cached->fields[i];
        if (!same || !describes_body(field))
            h2o_add_header_by_str(&req->pool, &req->res.headers, field->name, field->name_size, 1, NULL, field->value,
                                  field->value_size);
    }
    exchange_give(x, cached->body, x->head_request ? (size_t)cached->length : cached->size);
    return VERDICT_ANSWERED;
}

/* The way in */

static enum verdict look(struct exchange *x, struct caching *caching);

static void landed(void *self, bool again)
{
    struct exchange *x = self;
    x->cancel = NULL;
    if (!again || look(x, x->caching) == VERDICT_NEXT)
        exchange_resume(x);
}

/* One of many that want the same asks the member. What may be for this client alone waits for nobody. */
static enum verdict queue(struct exchange *x, struct caching *caching, bool pointless)
{
    struct cache_waiter *waiter;
    x->tap = &caching->tap;
    if (pointless || caching->fill.authorized || caching->conditional)
        return VERDICT_NEXT;
    caching->flight = answer_cache_fly(caching->fill.cache, caching->key, x->loop, landed, x, &waiter);
    if (!waiter)
        return VERDICT_NEXT;
    exchange_wait(x, cache_waiter_cancel, waiter);
    return VERDICT_WAIT;
}

static enum verdict look(struct exchange *x, struct caching *caching)
{
    struct cached *cached = find(x, caching);
    bool never = cached && cached->kind == CACHED_NEVER;
    caching->fill.asked_us = clock_us();
    caching->status = cached && !never ? judge(caching, cached, loop_now(x->loop)) : CACHE_MISS;
    /* A refresh asks a member; a service over NATS has none. */
    if (caching->status == CACHE_STALE && x->route->service->subject)
        caching->status = CACHE_REFRESH;
    if (caching->status == CACHE_STALE)
        cache_refresh_start(x, caching, cached);
    if (caching->status == CACHE_HIT || caching->status == CACHE_STALE)
        return give(x, caching, cached);
    cached_unref(cached);
    if (caching->fill.config->cache_control && caching->wants.only_if_cached) {
        exchange_refuse(x, 504, "it is not in the cache, and nothing else was asked for");
        return VERDICT_ANSWERED;
    }
    return queue(x, caching, never);
}

/* Filling */

static void land(struct caching *caching, bool again)
{
    flight_land(caching->fill.cache, caching->flight, again);
    caching->flight = NULL;
}

static void on_head(struct tap *tap, struct exchange *x, const struct reply_head *head)
{
    struct caching *caching = (struct caching *)tap;
    int64_t now_ms = loop_now(x->loop);
    if (cache_fill_begin(&caching->fill, head)) {
        if (caching->flight)
            flight_begun(caching->fill.cache, caching->flight, now_ms);
        return;
    }
    caching->status = CACHE_BYPASS;
    if (head->status < 500 && !caching->conditional && !caching->fill.authorized)
        cache_never(caching->fill.cache, caching->key, now_ms);
    land(caching, false);
}

static void on_body(struct tap *tap, struct exchange *x, const char *data, size_t size)
{
    struct caching *caching = (struct caching *)tap;
    (void)x;
    if (caching->fill.cached && !cache_fill_add(&caching->fill, data, size))
        land(caching, false);
}

static void on_end(struct tap *tap, struct exchange *x, bool whole)
{
    struct caching *caching = (struct caching *)tap;
    const struct cached *cached = caching->fill.cached;
    if (!whole || !cached)
        return;
    if (cached->vary)
        cache_key_varied(x, caching->fill.base, cached->vary, caching->key);
    else
        memcpy(caching->key, caching->fill.base, sizeof caching->key);
    cache_fill_commit(&caching->fill, caching->key, loop_now(x->loop));
    land(caching, true);
}

/* Hooks */

static enum verdict access_cache(struct exchange *x, const void *config)
{
    struct caching *caching = h2o_mem_alloc_pool(&x->req->pool, sizeof *caching);
    *caching = (struct caching){ .tap = { on_head, on_body, on_end },
                                 .fill = { .config = config, .cache = x->loop->edge->cache } };
    x->caching = caching;
    read_wants(x, &caching->wants);
    caching->fill.authorized = has(x, "authorization");
    caching->conditional = has(x, "if-none-match") || has(x, "if-modified-since") || has(x, "if-match") ||
                           has(x, "if-unmodified-since");
    caching->fill.target = cache_target(x);
    if (!may_ask(x, caching))
        return VERDICT_NEXT;
    cache_key_base(x, config, caching->fill.base);
    caching->keyed = true;
    return look(x, caching);
}

/* What changes a target makes what is kept of it old (RFC 9111, 4.4). */
static bool changes_target(const struct exchange *x)
{
    int status = x->req->res.status;
    return !(x->method & (METHOD_GET | METHOD_HEAD | METHOD_OPTIONS)) && x->upstream_status && status >= 200 &&
           status < 400 && !is_method(x->caching->fill.config, request_method(x));
}

static void header_cache(struct exchange *x, const void *config)
{
    static const char *const names[] = { "Bypass", "Miss", "Hit", "Stale", "Refresh" };
    const struct proxy_cache *cache = config;
    const struct caching *caching = x->caching;
    if (!caching)
        return;
    if (changes_target(x))
        answer_cache_forget(caching->fill.cache, caching->fill.target, clock_us());
    if (cache->tell_status)
        exchange_set_header(x, "x-cache-status", names[caching->status]);
    if (cache->tell_key && caching->keyed)
        exchange_set_header(x, "x-cache-key", caching->fill.base);
    if (cache->tell_age && caching->given)
        exchange_set_header(
            x, "age", exchange_printf(x, "%lld", (long long)(cached_age_ms(caching->given, loop_now(x->loop)) / 1000)));
}

static void count(const struct exchange *x)
{
    struct cache_counts *counts = &x->loop->edge->slot->cache;
    _Atomic int64_t *const by_status[] = {
        [CACHE_BYPASS] = &counts->bypassed, [CACHE_MISS] = &counts->misses,       [CACHE_HIT] = &counts->hits,
        [CACHE_STALE] = &counts->stale,     [CACHE_REFRESH] = &counts->refreshed,
    };
    atomic_fetch_add_explicit(by_status[x->caching->status], 1, memory_order_relaxed);
}

static void log_cache(struct exchange *x, const void *config)
{
    struct caching *caching = x->caching;
    (void)config;
    if (!caching)
        return;
    count(x);
    /* Whoever asked went away: the next one asks. Where the member gave no answer all ask for themselves. */
    flight_land(caching->fill.cache, caching->flight, x->abandoned || !x->finished);
    cache_fill_drop(&caching->fill);
    cached_unref(caching->given);
    x->caching = NULL;
}

const struct plugin proxy_cache_plugin = {
    .name = "proxy-cache",
    .config_size = sizeof(struct proxy_cache),
    .options = options,
    .defaults = defaults,
    .check = check,
    .access = access_cache,
    .header = header_cache,
    .log = log_cache,
};
