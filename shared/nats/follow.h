#pragma once
/*
 * Follows a stream by sequence, without a consumer on the server: nothing there
 * can be lost, expire or have to be made anew. Every half second, and at once
 * when a message of its subjects is heard, the stream is asked how far it goes,
 * and what is missing is read. What was read by then is all there was: so a gap
 * is known as such, whatever happened between. A thread of its own; for
 * shared/nats only.
 */
#include "nats/jetstream.h"

struct follow;

struct follow_options {
    struct bus *bus;
    const char *stream;
    const char *const *hints; /* subjects that lead into it; NULL-terminated */
    bool from_start;          /* begin with what the stream has; else with `after` + 1 */
    uint64_t after;
    /* In order. false: comes again, after a growing delay. */
    bool (*message)(void *self, const struct stream_message *message);
    /* What comes after `*after` is not there (any more), or it is another stream: says where to go on. false: asked
     * again. */
    bool (*lost)(void *self, const struct stream_info *stream, uint64_t *after);
    /* On libnats' thread, before the stream has it perhaps; may be NULL. */
    void (*hint)(void *self, const char *subject, const char *data, size_t size);
    void *self;
};

struct follow *follow_start(struct ctx *ctx, const struct follow_options *options);
/* No call is made any more afterwards. */
void follow_stop(struct follow *follow);
/* Until when (clock_ms()) all that was in the stream has been handled; 0 = never yet. */
int64_t follow_known_ms(const struct follow *follow);
/* That is less than 2 s ago, and was on the connection that there is now. */
bool follow_whole(const struct follow *follow);
/* Messages of the stream not yet handled, -1 unknown. */
int64_t follow_lag(const struct follow *follow);
