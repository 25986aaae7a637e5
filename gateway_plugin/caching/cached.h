#pragma once
/*
 * An answer that is kept: status, headers, body. Filled by one thread, then
 * never changed, shared by all loops and counted. Times are on clock_ms().
 */
#include "proxy/reply_head.h"

#include <stdatomic.h>

enum cached_kind {
    CACHED_ANSWER,
    CACHED_VARY,  /* answers at this key differ by headers of the request: `vary` names them */
    CACHED_NEVER, /* the last answer at this key was not to be kept: nobody need wait for the next */
};

struct cached {
    atomic_size_t references;
    enum cached_kind kind;
    char key[65];
    int status;
    struct reply_field *fields; /* names in small letters, hop-by-hop ones left out */
    size_t field_count;
    char *vary;      /* names by comma, in small letters; NULL: it does not */
    uint64_t length; /* of the body as the head told it: of HEAD */
    char *body;
    size_t size, room;
    size_t cost;      /* bytes of memory in all */
    uint32_t target;  /* of answer_cache_forget() */
    int64_t asked_us; /* on clock_us(): when the request for it began */
    int64_t stored_ms;
    int64_t age_ms;                      /* it had already when it came */
    int64_t fresh_ms, stale_ms, keep_ms; /* fresh for; then stale and still to be given for; kept for */
    bool strict;                         /* never stale, whatever the client says */
    bool shared;                         /* its service said that it may answer who sends Authorization */
    atomic_bool refreshing;
};

/* With one reference. */
struct cached *cached_mark(enum cached_kind kind, const char *key, const char *vary);
struct cached *cached_create(const char *key, const struct reply_head *head);
struct cached *cached_ref(struct cached *cached);
void cached_unref(struct cached *cached); /* NULL is fine */

/* false: more than `most` bytes. */
bool cached_add(struct cached *cached, const char *data, size_t size, size_t most);
/* NULL: there is none. The first one. */
const struct reply_field *cached_field(const struct cached *cached, const char *name);
int64_t cached_age_ms(const struct cached *cached, int64_t now_ms);
