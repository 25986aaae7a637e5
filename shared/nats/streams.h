#pragma once
/* The JetStream streams, declared in one table and made where they are missing by the process that owns them. */
#include "nats/bus.h"

struct stream {
    const char *name;
    const char *const *subjects; /* NULL-terminated */
    int64_t max_age_ms;
    int64_t max_bytes;
    bool work_queue;
};

extern const struct stream stream_revoked; /* auth.session.revoked, auth.apikey.revoked, auth.user.changed: 1 h */
extern const struct stream stream_events;  /* event.user.>, event.track.>, event.playlist.>: 7 d */
extern const struct stream stream_otp;     /* event.otp.>: 10 min, work queue */

/*
 * Makes those that are missing, now, after each reconnect and every 5 s (a
 * stream can be lost with its server's directory), for the life of the bus. Waits
 * up to 2 s for the first time; where NATS is away it is made up later. `streams` is kept.
 */
bool streams_keep(struct ctx *ctx, struct bus *bus, const struct stream *const *streams);
