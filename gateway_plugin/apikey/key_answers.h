#pragma once
/*
 * What auth has last said about good API keys, for all processes of the edge:
 * where auth is away, a key that one of them has been told of is known to the
 * others, and to one that is started anew. In shared memory, bounded: those that
 * were asked for longest ago are forgotten first. Holds digests, not keys. Any
 * thread of any process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_ANSWER_SIZE = 976 }; /* bytes; a longer answer is not kept */

struct key_answers;

struct key_answer {
    int64_t checked_ms; /* on clock_ms(), which is one for all processes */
    size_t size;
    char data[KEY_ANSWER_SIZE]; /* as auth sent it */
};

/* Before the processes are forked. */
struct key_answers *key_answers_create(void);
void key_answers_destroy(struct key_answers *answers);
void key_answers_put(struct key_answers *answers, const char *key, int64_t checked_ms, const char *data, size_t size);
/* Of a time after `after_ms`. false: there is none. */
bool key_answers_get(struct key_answers *answers, const char *key, int64_t after_ms, struct key_answer *out);
/* It holds no longer. */
void key_answers_drop(struct key_answers *answers, const char *key);
