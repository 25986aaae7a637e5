#include "router.h"

#include <string.h>

struct entry {
    const char *path;
    size_t size;
    uint64_t hash;
    struct kong_route *route;
    struct entry *next; /* of the same path: those that name methods first */
};

struct router {
    struct entry **slots;
    size_t mask;
    uint64_t lengths[4]; /* of paths there are: a bit each; 255 stands for longer ones too */
};

/* FNV-1a, which can be carried on from one boundary of the path to the next. */
static const uint64_t hash_start = 0xcbf29ce484222325, hash_prime = 0x100000001b3;

static uint64_t hash_more(uint64_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * hash_prime;
    return hash;
}

static size_t length_bit(size_t size)
{
    return size < 255 ? size : 255;
}

static bool length_known(const struct router *router, size_t size)
{
    size_t bit = length_bit(size);
    return router->lengths[bit / 64] >> (bit % 64) & 1;
}

static struct entry *find(const struct router *router, uint64_t hash, const char *path, size_t size)
{
    for (size_t i = hash & router->mask; router->slots[i]; i = (i + 1) & router->mask)
        if (router->slots[i]->hash == hash && router->slots[i]->size == size &&
            memcmp(router->slots[i]->path, path, size) == 0)
            return router->slots[i];
    return NULL;
}

static void insert(struct router *router, struct entry *entry)
{
    struct entry *same = find(router, entry->hash, entry->path, entry->size);
    if (!same) {
        size_t i = entry->hash & router->mask;
        while (router->slots[i])
            i = (i + 1) & router->mask;
        router->slots[i] = entry;
        size_t bit = length_bit(entry->size);
        router->lengths[bit / 64] |= 1ULL << (bit % 64);
        return;
    }
    /* The head of the chain stays where it is: contents are swapped where the new one comes first. */
    if (same->route->methods == METHOD_ALL && entry->route->methods != METHOD_ALL) {
        struct kong_route *route = same->route;
        same->route = entry->route;
        entry->route = route;
    }
    while (same->next && !(same->next->route->methods == METHOD_ALL && entry->route->methods != METHOD_ALL))
        same = same->next;
    entry->next = same->next;
    same->next = entry;
}

static size_t count_paths(const struct kong_route *routes)
{
    size_t count = 0;
    for (const struct kong_route *route = routes; route; route = route->next)
        count += route->paths.count;
    return count;
}

struct router *router_create(struct arena *arena, struct kong_route *routes)
{
    struct router *router = arena_new(arena, struct router);
    size_t size = 8;
    while (size < count_paths(routes) * 2)
        size *= 2;
    router->mask = size - 1;
    router->slots = arena_array(arena, struct entry *, size);
    for (struct kong_route *route = routes; route; route = route->next) {
        for (size_t i = 0; i < route->paths.count; i++) {
            struct entry *entry = arena_new(arena, struct entry);
            entry->path = route->paths.items[i];
            entry->size = strlen(entry->path);
            entry->hash = hash_more(hash_start, entry->path, entry->size);
            entry->route = route;
            insert(router, entry);
        }
    }
    return router;
}

static bool look(const struct router *router, uint64_t hash, unsigned method, bool tls, const char *path, size_t size,
                 struct match *match)
{
    if (!length_known(router, size))
        return false;
    for (const struct entry *entry = find(router, hash, path, size); entry; entry = entry->next) {
        if (!(entry->route->methods & method) || !(tls ? entry->route->tls : entry->route->plain))
            continue;
        *match = (struct match){ entry->route, path[size - 1] == '/' ? size - 1 : size };
        return true;
    }
    return false;
}

bool router_match(const struct router *router, unsigned method, bool tls, const char *path, size_t size,
                  struct match *match)
{
    bool found = false;
    uint64_t hash = hash_start;
    size_t hashed = 0;
    /* From the shortest to the longest: the last that matches is the longest. */
    for (size_t i = 0; i <= size; i++) {
        if (i < size && path[i] != '/')
            continue;
        hash = hash_more(hash, path + hashed, i - hashed);
        hashed = i;
        if (i)
            found |= look(router, hash, method, tls, path, i, match);
        if (i < size)
            found |= look(router, hash_more(hash, "/", 1), method, tls, path, i + 1, match);
    }
    return found;
}
