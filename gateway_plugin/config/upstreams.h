#pragma once
/* What Kong's file says of an upstream: how it is balanced, and how its members are judged. */
#include "config/options.h"

enum algorithm { ALGORITHM_HASH, ALGORITHM_LEAST, ALGORITHM_TURNS, ALGORITHM_LATENCY };

enum hash_on {
    HASH_NONE,
    HASH_CONSUMER,
    HASH_IP,
    HASH_HEADER,
    HASH_COOKIE,
    HASH_PATH,
    HASH_QUERY_ARG,
    HASH_URI_CAPTURE
};

struct hash_input {
    int on;           /* enum hash_on */
    const char *name; /* of the header, cookie, query argument or capture */
};

/* As the file gives them, whether or not they are used. */
struct hash_names {
    const char *on_header, *on_query, *on_capture, *fallback_header, *fallback_query, *fallback_capture, *cookie;
};

/* A bit for each status. */
struct statuses {
    uint64_t bits[10];
};

static inline bool statuses_have(const struct statuses *statuses, int status)
{
    return status > 0 && status < 640 && statuses->bits[status / 64] >> (status % 64) & 1;
}

/* Limits of what is seen in a row; 0: not looked at. No pointers: two are compared as bytes. */
struct judge {
    int64_t successes, tcp, timeouts, http;
    struct statuses good, bad;
};

struct checks {
    struct judge passive, active;
    int64_t probed; /* probes bring back who is out */
};

struct balance {
    int algorithm; /* enum algorithm */
    int64_t slots, slow_start_ms;
    int64_t threshold; /* percent of the weight that must be in; 0: none */
};

enum probe_type { PROBE_HTTP, PROBE_HTTPS, PROBE_TCP };

struct probe_header {
    const char *name, *value;
    struct probe_header *next;
};

/* One side of the checks as the file gives it; probes are of the active one alone. */
struct kong_side {
    int type; /* enum probe_type */
    int64_t timeout_ms, concurrency;
    const char *path, *sni;
    bool verify;
    struct probe_header *headers;
    struct kong_healthy {
        int64_t interval_ms; /* 0: no probes of those that are healthy */
        int64_t successes;
        struct integers statuses;
    } healthy;
    struct kong_unhealthy {
        int64_t interval_ms; /* 0: no probes of those that are out */
        int64_t tcp_failures, timeouts, http_failures;
        struct integers statuses;
    } unhealthy;
};

struct kong_health {
    struct kong_side passive, active;
    int64_t threshold;
};
