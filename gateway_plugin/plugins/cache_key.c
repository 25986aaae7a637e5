/* The keys of proxy-cache. All that the edge forwards and that a service may answer by stands in them, or is named by
 * Vary. */
#include "plugins/proxy_cache.h"

#include "base/text.h"
#include "exchange/forward_rules.h"
#include "transform/pairs.h"

#include <sodium/crypto_hash_sha256.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>

struct digest {
    crypto_hash_sha256_state state;
};

static void add(struct digest *digest, const char *data, size_t size)
{
    uint64_t length = size; /* so that no two lists of parts read alike */
    crypto_hash_sha256_update(&digest->state, (const unsigned char *)&length, sizeof length);
    crypto_hash_sha256_update(&digest->state, (const unsigned char *)data, size);
}

static void add_text(struct digest *digest, const char *text)
{
    add(digest, text ? text : "", text ? strlen(text) : 0);
}

static void add_lower(struct digest *digest, struct arena *arena, const char *data, size_t size)
{
    char *out = arena_memdup(arena, data, size);
    lower_copy(out, out, size);
    add(digest, out, size);
}

static void finish(struct digest *digest, char key[65])
{
    unsigned char out[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&digest->state, out);
    sodium_bin2hex(key, 65, out, sizeof out);
}

static bool named(const struct texts *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *one = a, *other = b;
    int order = strcmp(one->name, other->name);
    /* Of one name they keep their order, which is that of their places. */
    return order ? order : one->raw < other->raw ? -1 : one->raw > other->raw;
}

/* In whatever order the parameters come. */
static void add_query(struct digest *digest, struct arena *arena, const struct exchange *x,
                      const struct proxy_cache *config)
{
    const struct path *path = &x->path;
    size_t from = path->total > path->size ? path->size + 1 : path->total;
    struct pairs pairs;
    if (!pairs_read_form(&pairs, arena, path->text + from, path->total - from)) {
        add(digest, path->text + from, path->total - from);
        return;
    }
    if (pairs.count)
        qsort(pairs.items, pairs.count, sizeof *pairs.items, compare_pairs);
    for (size_t i = 0; i < pairs.count; i++) {
        const struct pair *pair = &pairs.items[i];
        if (config->vary_query_params.count && !named(&config->vary_query_params, pair->name))
            continue;
        add(digest, pair->raw, pair->raw_size);
    }
}

static void add_header(struct digest *digest, const struct exchange *x, const char *name, size_t size)
{
    const h2o_headers_t *headers = &x->req->headers;
    add(digest, name, size);
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name->len == size && strncasecmp(header->name->base, name, size) == 0)
            add(digest, header->value.base, header->value.len);
    }
}

static void add_path(struct digest *digest, struct arena *arena, const struct exchange *x, bool any_case)
{
    const char *text = x->new_path.base ? x->new_path.base : x->path.text;
    size_t size = x->new_path.base ? x->new_path.len : x->path.size;
    if (any_case)
        add_lower(digest, arena, text, size);
    else
        add(digest, text, size);
}

static void add_service(struct digest *digest, const struct exchange *x)
{
    const struct kong_service *service = x->route->service;
    add_text(digest, x->route->name);
    add_text(digest, service->name);
    add_text(digest, service->host);
    add_text(digest, service->path);
    add(digest, (const char *)&service->port, sizeof service->port);
}

void cache_key_base(const struct exchange *x, const struct proxy_cache *config, char key[65])
{
    struct digest digest;
    struct arena arena = { 0 };
    const h2o_req_t *req = x->req;
    h2o_iovec_t method = x->new_method.base ? x->new_method : req->input.method;
    crypto_hash_sha256_init(&digest.state);
    add_service(&digest, x);
    add_text(&digest, x->identity.id);
    add_text(&digest, x->identity.id ? NULL : x->identity.credential);
    /* As the service is told that the client asked: it may answer with links to there. */
    bool tls = client_tls(x);
    h2o_iovec_t told = client_host(x), port = client_port(x);
    add(&digest, tls ? "s" : "", tls);
    add_lower(&digest, &arena, req->input.authority.base, req->input.authority.len);
    add_lower(&digest, &arena, told.base, told.len);
    add(&digest, port.base, port.len);
    add(&digest, x->new_host.base, x->new_host.len);
    add(&digest, req->input.method.base, req->input.method.len);
    add(&digest, method.base, method.len);
    add_path(&digest, &arena, x, config->ignore_uri_case);
    add_query(&digest, &arena, x, config);
    for (size_t i = 0; i < config->vary_headers.count; i++)
        add_header(&digest, x, config->vary_headers.items[i], strlen(config->vary_headers.items[i]));
    add(&digest, req->entity.base, req->entity.len);
    finish(&digest, key);
    arena_free(&arena);
}

void cache_key_varied(const struct exchange *x, const char *base, const char *vary, char key[65])
{
    struct digest digest;
    crypto_hash_sha256_init(&digest.state);
    add_text(&digest, base);
    for (const char *at = vary, *comma; *at; at = comma + (*comma == ',')) {
        comma = strchrnul(at, ',');
        add_header(&digest, x, at, (size_t)(comma - at));
    }
    finish(&digest, key);
}

uint32_t cache_target(const struct exchange *x)
{
    uint32_t hash = 2166136261u;
    for (const char *c = x->route->service->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = x->route->strip_path ? x->prefix : 0; i < x->path.size; i++)
        hash = (hash ^ (unsigned char)lower_char(x->path.text[i])) * 16777619u;
    return hash ? hash : 1;
}
