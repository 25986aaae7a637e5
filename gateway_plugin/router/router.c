#include "router/router_parts.h"

#include <string.h>
#include <strings.h>

static bool length_known(const struct router *router, size_t size)
{
    size_t bit = router_length_bit(size);
    return router->lengths[bit / 64] >> (bit % 64) & 1;
}

static bool is_key(const struct router_slot *slot, const struct router_slot *key)
{
    return slot->hash == key->hash && slot->path_size == key->path_size && slot->host_size == key->host_size &&
           memcmp(slot->path, key->path, key->path_size) == 0 && memcmp(slot->host, key->host, key->host_size) == 0;
}

struct router_slot *router_find(const struct router *router, const struct router_slot *key)
{
    size_t i = key->hash & router->mask;
    while (router->slots[i].first && !is_key(&router->slots[i], key))
        i = (i + 1) & router->mask;
    return &router->slots[i];
}

struct search {
    const struct router *router;
    const struct asked *asked;
    struct host_asked host;
    uint64_t host_hash;
    const struct router_entry *best;
    bool best_needs_tls, undecided;
    struct match *match;
};

static bool takes_method(const struct kong_route *route, const struct asked *asked)
{
    if (route->methods == METHOD_ALL || asked->method != METHOD_OTHER)
        return route->methods & asked->method;
    for (size_t i = 0; i < route->method_names.count; i++)
        if (strlen(route->method_names.items[i]) == asked->method_size &&
            memcmp(route->method_names.items[i], asked->method_name, asked->method_size) == 0)
            return true;
    return false;
}

static bool takes_host(const struct router_entry *entry, const struct host_asked *host)
{
    if (entry->whole)
        return host_rule_matches(entry->whole, host);
    const struct kong_route *route = entry->route;
    for (size_t i = 0; i < route->hosts.count; i++)
        if (route->host_rules[i].kind != HOST_WHOLE && host_rule_matches(&route->host_rules[i], host))
            return true;
    return !route->hosts.count;
}

/* As with Kong a request without TLS is not asked for one. */
static bool takes_server_name(const struct kong_route *route, const struct asked *asked)
{
    if (!route->snis.count || !asked->tls || asked->by_proxy)
        return true;
    for (size_t i = 0; asked->server_name && i < route->snis.count; i++)
        if (strcmp(route->snis.items[i], asked->server_name) == 0)
            return true;
    return false;
}

struct header_test {
    const struct kong_header *header;
    bool *undecided;
};

static bool is_wanted(const void *arg, const char *value, size_t size)
{
    const struct header_test *test = arg;
    for (size_t i = 0; i < test->header->count; i++) {
        const struct kong_header_value *wanted = &test->header->values[i];
        if (!wanted->pattern) {
            if (strlen(wanted->text) == size && strncasecmp(wanted->text, value, size) == 0)
                return true;
            continue;
        }
        enum pattern_answer answer = pattern_match(wanted->pattern, value, size, NULL);
        *test->undecided |= answer == PATTERN_UNDECIDED;
        if (answer == PATTERN_YES)
            return true;
    }
    return false;
}

static bool takes_headers(struct search *search, const struct kong_route *route)
{
    const struct asked *asked = search->asked;
    for (size_t i = 0; i < route->header_count; i++) {
        struct header_test test = { &route->headers[i], &search->undecided };
        if (!asked->any_header(asked->self, route->headers[i].name, is_wanted, &test))
            return false;
    }
    return true;
}

static size_t without_slash(const char *path, size_t size)
{
    return size && path[size - 1] == '/' ? size - 1 : size;
}

/* Takes its match down when it is one. */
static bool takes_path(struct search *search, const struct kong_path *way)
{
    const struct asked *asked = search->asked;
    struct match *match = search->match;
    struct captures captures;
    size_t end = way ? way->size : 0;
    if (way && way->kind == ROUTE_WHOLE && end != asked->size)
        return false;
    if (way && way->kind == ROUTE_PATTERN) {
        if (way->size > asked->size || memcmp(way->text, asked->path, way->size) != 0)
            return false;
        enum pattern_answer answer = pattern_match(way->pattern, asked->path, asked->size, &captures);
        search->undecided |= answer == PATTERN_UNDECIDED;
        if (answer != PATTERN_YES)
            return false;
        match->captures = captures;
        end = captures.items[0].end;
    }
    match->pattern = way ? way->pattern : NULL;
    match->prefix = without_slash(asked->path, end);
    return true;
}

/* Who serves GET serves HEAD, but for one who names it. */
static bool borrows_head(const struct kong_route *route, const struct asked *asked)
{
    if (asked->method != METHOD_HEAD || route->methods == METHOD_ALL)
        return false;
    for (size_t i = 0; i < route->method_names.count; i++)
        if (strcmp(route->method_names.items[i], "HEAD") == 0)
            return false;
    return true;
}

/* Whether it would be taken instead of the best so far, if it matches. */
static bool is_better(const struct search *search, const struct router_entry *entry, bool needs_tls)
{
    const struct router_entry *best = search->best;
    if (!best || entry->rank != best->rank)
        return !best || entry->rank > best->rank;
    if (needs_tls != search->best_needs_tls)
        return search->best_needs_tls;
    bool borrows = borrows_head(entry->route, search->asked), best_borrows = borrows_head(best->route, search->asked);
    return borrows != best_borrows ? best_borrows : entry->order < best->order;
}

static void consider(struct search *search, const struct router_entry *entry)
{
    const struct asked *asked = search->asked;
    struct kong_route *route = entry->route;
    bool needs_tls = !asked->tls && !route->plain;
    if ((asked->tls && !route->tls) || !is_better(search, entry, needs_tls) || !takes_method(route, asked) ||
        !takes_host(entry, &search->host) || !takes_server_name(route, asked) || !takes_headers(search, route) ||
        !takes_path(search, entry->way))
        return;
    search->best = entry;
    search->best_needs_tls = needs_tls;
    search->match->route = route;
}

static void consider_all(struct search *search, const struct router_slot *key)
{
    for (const struct router_entry *entry = router_find(search->router, key)->first; entry && !search->undecided;
         entry = entry->next) {
        if (search->best && entry->rank < search->best->rank)
            return;
        consider(search, entry);
    }
}

static void look(struct search *search, uint64_t hash, size_t size)
{
    if (!length_known(search->router, size))
        return;
    struct router_slot key = { .hash = hash, .host = "", .path = search->asked->path, .path_size = size };
    consider_all(search, &key);
    if (!search->router->hosts || !search->host.size)
        return;
    key.hash = router_hash_under(hash, search->host_hash);
    key.host = search->host.text;
    key.host_size = search->host.size;
    consider_all(search, &key);
}

/* All beginnings of the path that end with a segment: "", "/", "/a", "/a/", "/a/b". */
static void look_everywhere(struct search *search)
{
    const char *path = search->asked->path;
    size_t size = search->asked->size, hashed = 0;
    uint64_t hash = router_hash_start;
    look(search, hash, 0);
    for (size_t i = 0; i <= size; i++) {
        if (i < size && path[i] != '/')
            continue;
        hash = router_hash(hash, path + hashed, i - hashed);
        hashed = i;
        /* A path's own last slash has been looked at. */
        if (i && path[i - 1] != '/')
            look(search, hash, i);
        if (i < size)
            look(search, router_hash(hash, "/", 1), i + 1);
    }
}

enum route_answer router_match(const struct router *router, const struct asked *asked, struct match *match)
{
    char room[HOST_ROOM];
    struct search search = { .router = router, .asked = asked, .match = match };
    if (router->asks_host)
        search.host = host_asked_read(asked->authority, asked->authority_size, asked->tls, room);
    if (router->hosts)
        search.host_hash = router_hash(router_hash_start, search.host.text, search.host.size);
    look_everywhere(&search);
    if (search.undecided)
        return ROUTE_UNDECIDED;
    if (!search.best)
        return ROUTE_NONE;
    return search.best_needs_tls ? ROUTE_WANTS_TLS : ROUTE_FOUND;
}
