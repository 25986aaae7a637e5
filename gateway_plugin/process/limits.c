#include "process/edge_limits.h"

#include <sys/resource.h>

enum {
    FILES_MAX = 131072, /* of all processes: memory is the next bound */
    FILES_MIN = 96,
    OWN_FILES = 64, /* logs, NATS, Redis, probes, the admin's side */
    LOOP_FILES = 8, /* of each loop: epoll, its bell, its listeners */
};

/* For connections, and for the files of bodies. */
static size_t descriptors(size_t processes, size_t loops)
{
    struct rlimit files;
    size_t most = FILES_MAX / processes, own = OWN_FILES + LOOP_FILES * loops;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < most)
        most = (size_t)files.rlim_cur;
    return most > own + FILES_MIN ? most - own : FILES_MIN;
}

void limits_init(struct limits *limits, int64_t body_max, size_t processes, size_t loops)
{
    /* A connection takes one while it is idle, and one more, to a member, while something is asked on it. An eighth is
     * for the files of large bodies; a quarter no idle connection takes from those that ask. */
    size_t room = descriptors(processes, loops);
    limits->files_max = room / 8 * 7;
    limits->conns_max = room / 8 * 5;
    limits->requests_max = limits->files_max;
    limits->body_max = body_max;
    limits->bodies_max = (body_max > (1LL << 30) / 16 ? body_max * 16 : 1LL << 30) / (int64_t)processes;
    if (limits->bodies_max < body_max)
        limits->bodies_max = body_max;
    limits->questions_max = QUESTIONS_MAX;
    limits->conns = limits->origins = limits->requests = limits->questions = 0;
    limits->bodies = 0;
}

static bool take(atomic_size_t *count, size_t max)
{
    if (atomic_fetch_add_explicit(count, 1, memory_order_relaxed) < max)
        return true;
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
    return false;
}

static size_t count(const atomic_size_t *which)
{
    return atomic_load_explicit(which, memory_order_relaxed);
}

bool limits_conn_take(struct limits *limits)
{
    return count(&limits->conns) + count(&limits->origins) < limits->files_max &&
           take(&limits->conns, limits->conns_max);
}

void limits_conn_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->conns, 1, memory_order_relaxed);
}

/* Of several loops each may go one too far: that much is spared. */
bool limits_origin_take(struct limits *limits)
{
    size_t conns = count(&limits->conns);
    return conns < limits->files_max && take(&limits->origins, limits->files_max - conns);
}

void limits_origin_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->origins, 1, memory_order_relaxed);
}

bool limits_request_take(struct limits *limits)
{
    return take(&limits->requests, limits->requests_max);
}

void limits_request_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->requests, 1, memory_order_relaxed);
}

bool limits_question_take(struct limits *limits)
{
    return take(&limits->questions, limits->questions_max);
}

void limits_question_give(struct limits *limits)
{
    atomic_fetch_sub_explicit(&limits->questions, 1, memory_order_relaxed);
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
