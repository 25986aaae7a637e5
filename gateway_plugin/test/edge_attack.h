#pragma once
/* What an HTTP/2 client can do to a server at no cost of its own. For tests and the bench. */
#include "edge_h2.h"

#include <pthread.h>
#include <stdatomic.h>

struct h2_attack {
    const char *name;
    /* Sends one burst on a connection of its own; *stream: the next stream's number, 1 at first. false: the other side
     * takes no more. */
    bool (*burst)(int fd, uint32_t *stream);
    bool deaf; /* reads nothing of what it is told */
};

extern const struct h2_attack h2_rapid_resets;        /* CVE-2023-44487 */
extern const struct h2_attack h2_made_resets;         /* CVE-2025-8671: makes the server reset */
extern const struct h2_attack h2_empty_continuations; /* CVE-2024-27316 and its kind */
extern const struct h2_attack h2_pings;               /* CVE-2019-9512 */
extern const struct h2_attack h2_settings;            /* CVE-2019-9515 */
extern const struct h2_attack h2_priorities;          /* CVE-2019-9513 */
extern const struct h2_attack h2_empty_data;          /* CVE-2019-9518 */
extern const struct h2_attack h2_padding;             /* DATA that is all padding */
extern const struct h2_attack h2_data_on_closed;      /* CVE-2019-9514: each is answered by a reset */
extern const struct h2_attack h2_bad_requests;        /* the same by heads without a path */
extern const struct h2_attack h2_bad_windows;         /* the same by window updates of nothing */
extern const struct h2_attack h2_header_bombs;        /* CVE-2016-1544: a byte each for headers of kilobytes, unread */

/* An attack that is running. */
struct h2_siege {
    const struct h2_attack *attack;
    int port;
    atomic_bool stop;
    atomic_long connections, bursts;
    pthread_t threads[8];
    int count;
};

/* `count` clients (8 at most) until h2_siege_end(); who is cut off comes back at once. */
void h2_siege_begin(struct h2_siege *siege, const struct h2_attack *attack, int port, int count);
void h2_siege_end(struct h2_siege *siege);
