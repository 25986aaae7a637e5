#pragma once
/* What the two halves of the router share: router_build.c makes it, router.c looks into it. */
#include "router/router.h"

/* A path of a route for one host, or for the others. */
struct router_entry {
    struct kong_route *route;
    const struct kong_path *way;   /* NULL: it has no paths */
    const struct host_rule *whole; /* the host that it is kept under; NULL: its other hosts count, if it has any */
    uint64_t rank;
    size_t order;              /* in the file */
    struct router_entry *next; /* with the same key: those that come first, first */
};

/* The entries of a host and of a beginning of paths. */
struct router_slot {
    uint64_t hash;
    const char *host, *path;
    size_t host_size, path_size;
    struct router_entry *first; /* NULL: the slot is free */
};

struct router {
    struct router_slot *slots;
    size_t mask;
    uint64_t lengths[4]; /* of paths there are: a bit each; 255 stands for longer ones too */
    bool hosts;          /* some entries are kept under a host */
    bool asks_host;      /* some routes have hosts, whole or with a star */
};

/* FNV-1a, which can be carried on from one boundary of the path to the next. */
static const uint64_t router_hash_start = 0xcbf29ce484222325;

static inline uint64_t router_hash(uint64_t hash, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    return hash;
}

/* A path under a host. */
static inline uint64_t router_hash_under(uint64_t path, uint64_t host)
{
    return path ^ (host * 0x9e3779b97f4a7c15);
}

static inline size_t router_length_bit(size_t size)
{
    return size < 255 ? size : 255;
}

/* The slot of this key, or the free one where it would stand. */
struct router_slot *router_find(const struct router *router, const struct router_slot *key);
