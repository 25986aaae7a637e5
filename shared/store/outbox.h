#pragma once
/*
 * The events that writes carry: read in the order of each entity, marked when
 * the stream has them, then kept 7 days in the event log. For the relay
 * (nats/relay.h) only. Any thread, blocks.
 */
#include "store/store.h"

struct outbox_event {
    const char *id;   /* of the event: Nats-Msg-Id and CloudEvents id */
    const char *type; /* its subject */
    const char
        *json; /* the whole CloudEvents 1.0 JSON; `subject` is the entity's id, extension `entityversion` its version */
    const char *ref; /* where it stands: for outbox_done */
};

/* Up to `limit` of the oldest events not yet relayed. */
bool outbox_read(struct ctx *ctx, struct store *store, size_t limit, struct outbox_event **out, size_t *count);
/* Moves them from their documents to the event log. Idempotent. */
bool outbox_done(struct ctx *ctx, struct store *store, const struct outbox_event *events, size_t count);
/* Events of the log at or after `since_ms`, for replay. `cursor` NULL = the beginning; *next NULL = the end. */
bool outbox_log(struct ctx *ctx, struct store *store, int64_t since_ms, const char *cursor, size_t limit,
                struct outbox_event **out, size_t *count, const char **next);
/* Drops what is older than `before_ms` from the log; at most 1,000 a call, returns how many. */
bool outbox_sweep(struct ctx *ctx, struct store *store, int64_t before_ms, size_t *dropped);
