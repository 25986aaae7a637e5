#include "member/hash_on.h"

#include "exchange/exchange.h"

enum { COOKIE_SIZE = 36 };

/* FNV-1a; pieces are kept apart by a byte that none of them holds. */
static void add(uint64_t *hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        *hash = (*hash ^ (unsigned char)text[i]) * 0x100000001b3;
    *hash = (*hash ^ 0xff) * 0x100000001b3;
}

static bool add_text(uint64_t *hash, const char *text)
{
    if (text)
        add(hash, text, strlen(text));
    return text;
}

static bool by_consumer(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream, (void)name;
    return add_text(hash, x->identity.id ? x->identity.id : x->identity.credential);
}

static bool by_ip(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream, (void)name;
    const struct client *client = client_of(x);
    return client && add_text(hash, client->text);
}

static bool by_path(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream, (void)name;
    add(hash, x->path.text, x->path.size);
    return true;
}

static bool by_header(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream;
    const h2o_headers_t *headers = &x->req->headers;
    size_t size = strlen(name);
    bool found = false;
    for (size_t i = 0; i < headers->size; i++) {
        const h2o_header_t *header = &headers->entries[i];
        if (header->name->len != size || memcmp(header->name->base, name, size) != 0)
            continue;
        add(hash, header->value.base, header->value.len);
        found = true;
    }
    return found;
}

/* Calls for each piece of `text` between `separator`: is it NAME=...? Adds the values. */
static bool add_values(uint64_t *hash, const char *text, size_t size, char separator, const char *name)
{
    size_t name_size = strlen(name);
    bool found = false;
    for (const char *at = text, *end = text + size; at < end;) {
        const char *stop = memchr(at, separator, (size_t)(end - at));
        stop = stop ? stop : end;
        while (at < stop && *at == ' ')
            at++;
        if ((size_t)(stop - at) > name_size && memcmp(at, name, name_size) == 0 && at[name_size] == '=') {
            add(hash, at + name_size + 1, (size_t)(stop - at) - name_size - 1);
            found = true;
        }
        at = stop + 1;
    }
    return found;
}

static bool by_query_arg(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream;
    size_t from = x->path.size + 1;
    return from < x->path.total && add_values(hash, x->path.text + from, x->path.total - from, '&', name);
}

static bool cookie_given(struct exchange *x, const char *name, uint64_t *hash)
{
    const h2o_headers_t *headers = &x->req->headers;
    bool found = false;
    for (size_t i = 0; i < headers->size; i++)
        if (headers->entries[i].name == &H2O_TOKEN_COOKIE->buf)
            found |= add_values(hash, headers->entries[i].value.base, headers->entries[i].value.len, ';', name);
    return found;
}

/* One without the cookie gets one, and from now on the member that it stands for. */
static bool by_cookie(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    if (cookie_given(x, name, hash))
        return true;
    uint64_t a = loop_random(x->loop), b = loop_random(x->loop);
    char id[COOKIE_SIZE + 1];
    /* A UUID of version 4, as Kong's. */
    snprintf(id, sizeof id, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
             (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffff));
    add(hash, id, COOKIE_SIZE);
    exchange_header(x, "set-cookie", exchange_printf(x, "%s=%s; Path=%s; HttpOnly", name, id, upstream->cookie_path));
    return true;
}

static bool by_uri_capture(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)upstream;
    size_t group = x->pattern && x->captures ? pattern_group(x->pattern, name) : 0;
    if (!group || group >= x->captures->count || !x->captures->items[group].end)
        return false;
    const struct capture *capture = &x->captures->items[group];
    add(hash, x->path.text + capture->start, capture->end - capture->start);
    return true;
}

static bool by_nothing(struct exchange *x, const struct kong_upstream *upstream, const char *name, uint64_t *hash)
{
    (void)x, (void)upstream, (void)name, (void)hash;
    return false;
}

static bool hash_by(struct exchange *x, const struct kong_upstream *upstream, const struct hash_input *input,
                    uint64_t *hash)
{
    static bool (*const ways[])(struct exchange *, const struct kong_upstream *, const char *, uint64_t *) = {
        [HASH_NONE] = by_nothing,        [HASH_CONSUMER] = by_consumer,       [HASH_IP] = by_ip,
        [HASH_HEADER] = by_header,       [HASH_COOKIE] = by_cookie,           [HASH_PATH] = by_path,
        [HASH_QUERY_ARG] = by_query_arg, [HASH_URI_CAPTURE] = by_uri_capture,
    };
    *hash = 0xcbf29ce484222325;
    return ways[input->on](x, upstream, input->name, hash);
}

bool hash_of_request(struct exchange *x, uint64_t *hash)
{
    const struct kong_upstream *upstream = x->route->service->upstream;
    if (upstream->balance.algorithm != ALGORITHM_HASH)
        return false;
    return hash_by(x, upstream, &upstream->hash_on, hash) || hash_by(x, upstream, &upstream->hash_fallback, hash);
}
