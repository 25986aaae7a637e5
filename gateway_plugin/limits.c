#include "edge_limits.h"

#include <sys/resource.h>

void limits_init(struct limits *limits, int64_t body_max)
{
    struct rlimit files;
    size_t room = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 131072 ? (size_t)files.rlim_cur : 131072;
    /* A client's connection may need one to a member, and a file for its body. */
    limits->conns_max = room > 192 ? (room - 64) / 3 : 32;
    limits->requests_max = limits->conns_max * 4;
    limits->body_max = body_max;
    limits->bodies_max = body_max > (1LL << 30) / 16 ? body_max * 16 : 1LL << 30;
}

static bool take(atomic_size_t *count, size_t max)
{
    if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < max)
        return true;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    return false;
}

bool limits_conn_take(struct limits *limits)
{
    return take(&limits->conns, limits->conns_max);
}

void limits_conn_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->conns, 1, memory_order_relaxed);
}

bool limits_request_take(struct limits *limits)
{
    return take(&limits->requests, limits->requests_max);
}

void limits_request_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->requests, 1, memory_order_relaxed);
}

bool limits_body_take(struct limits *limits, int64_t size)
{
    if (atomic_fetch_add_explicit(&limits->bodies, size, memory_order_relaxed) + size <= limits->bodies_max)
        return true;
    limits_body_give(limits, size);
    return false;
}

void limits_body_give(struct limits *limits, int64_t size)
{
    atomic_fetch_sub_explicit(&limits->bodies, size, memory_order_relaxed);
}
