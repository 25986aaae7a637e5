#pragma once
/* JetStream's API as plain questions on the bus
 * (https://docs.nats.io/reference/reference-protocols/nats_api_reference). All block. */
#include "nats/bus_parts.h"

/* Asks "$JS.API.<what>"; `fields` and `out` may be NULL. NOT_FOUND, CONFLICT (the name is in use with another
 * configuration), UNAVAILABLE. */
bool js_ask(struct ctx *ctx, struct bus *bus, const char *what, const struct buf *body, const struct field *fields,
            void *out);

struct stream_info {
    int64_t created_ms;   /* a stream made anew has another */
    uint64_t first, last; /* sequences; last + 1 == first where it is empty */
};
bool js_stream_info(struct ctx *ctx, struct bus *bus, const char *stream, struct stream_info *out);

/* Publishes to the stream of the subject and waits for its acknowledgement. `id` NULL = no Nats-Msg-Id. */
bool js_publish(struct ctx *ctx, struct bus *bus, const char *subject, const char *data, size_t size, const char *id);
/* Whether an answer is the acknowledgement of a stream. */
bool js_acknowledged(struct ctx *ctx, const struct answer *answer);

/* Messages of a stream, by sequence; many asked at once. */
struct stream_message {
    uint64_t sequence; /* 0: there is none any more */
    const char *subject, *data;
    size_t size;
};
enum { JS_BATCH = GATHER_MAX };
/* Fills `out[count]` with those from `first` on; count at most JS_BATCH. false: not all could be asked for. */
bool js_read(struct ctx *ctx, struct bus *bus, const char *stream, uint64_t first, size_t count,
             struct stream_message *out);
