#pragma once
/*
 * Answers about people and keys that are remembered while the feed of
 * revocations vouches for them. Looked at on every hit and before every insert
 * (an answer overtaken by its revocation must not stay). One asks, the others
 * who want the same wait for its answer. Bounded; refusals have a table of
 * their own and live 2 s. For shared/nats only.
 */
#include "nats/feed.h"

/* What an answer holds by. Texts in the asker's ctx->arena. */
struct grounds {
    int64_t until_ms;    /* clock_ms(); 0 = as long as the feed is whole */
    const char *session; /* NULL = does not matter */
    const char *apikey;
    const char *user;
    int64_t user_version;
    int64_t roles_version; /* 0 = does not matter */
    bool once;             /* right now, but nothing to remember */
};

struct remembered;

struct remembered_options {
    struct feed *feed;
    const uint64_t *era; /* by __atomic: a further reason to ask anew when it changes */
    size_t capacity;
    int64_t fresh_ms; /* asked again when older, feed or not; 0 = never for its age */
    int64_t blind_ms; /* holds so long when the feed is not whole: 30,000 */
    int64_t away_ms;  /* is still good so long for want of an answer, where auth does not answer; 0 = not at all */
    void *(*copy)(struct arena *to, const void *value);
};

struct remembered *remembered_create(const struct remembered_options *options);
void remembered_destroy(struct remembered *memory);

/* Asks auth: the value in ctx->arena and what it holds by; NULL and an error otherwise. */
typedef void *remembered_ask_fn(struct ctx *ctx, void *self, const void *question, struct grounds *grounds);

/* The value in ctx->arena. UNAUTHORIZED, FORBIDDEN, or UNAVAILABLE. */
void *remembered_get(struct ctx *ctx, struct remembered *memory, const char *key, remembered_ask_fn *ask, void *self,
                     const void *question);
