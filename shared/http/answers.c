#include "http/answers.h"

#include "base/clock.h"
#include "base/lru.h"

#include <string.h>

enum { ANSWERS_MAX = 1024, BYTES_MAX = 16 << 20, ANSWER_MAX = 256 << 10, AGE_MS = 5000 };

struct answers {
    struct lru *lru;
    size_t bytes;
};

static void forget(void *value)
{
    struct kept *kept = value;
    kept->owner->bytes -= kept->bytes;
    h2o_mem_release_shared(kept);
}

struct answers *answers_create(void)
{
    struct answers *answers = calloc(1, sizeof *answers);
    if (!answers)
        abort();
    answers->lru = lru_create(ANSWERS_MAX, forget);
    return answers;
}

void answers_destroy(struct answers *answers)
{
    if (!answers)
        return;
    lru_destroy(answers->lru);
    free(answers);
}

const struct kept *answers_find(struct answers *answers, const char *key, uint64_t generation, h2o_mem_pool_t *pool)
{
    struct kept *kept = lru_get(answers->lru, key);
    if (!kept)
        return NULL;
    if (kept->generation != generation) {
        lru_drop(answers->lru, key);
        return NULL;
    }
    h2o_mem_link_shared(pool, kept);
    return kept;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static size_t header_count(const struct pair *headers)
{
    size_t count = 0;
    while (headers && headers[count].name)
        count++;
    return count;
}

static char *put(char **at, const void *data, size_t size)
{
    char *out = *at;
    memcpy(out, data, size);
    *at += size;
    return out;
}

/* One piece of memory: the struct, the pairs, the texts, the body. */
static struct kept *copy(const struct response *res)
{
    size_t count = header_count(res->headers);
    size_t bytes = sizeof(struct kept) + (count + 1) * sizeof(struct pair) + text_bytes(res->content_type) + res->size;
    for (size_t i = 0; i < count; i++)
        bytes += text_bytes(res->headers[i].name) + text_bytes(res->headers[i].value);
    struct kept *kept = h2o_mem_alloc_shared(NULL, bytes, NULL);
    struct pair *headers = (struct pair *)(void *)(kept + 1);
    char *at = (char *)(headers + count + 1);
    for (size_t i = 0; i < count; i++) {
        headers[i].name = put(&at, res->headers[i].name, text_bytes(res->headers[i].name));
        headers[i].value = put(&at, res->headers[i].value, text_bytes(res->headers[i].value));
    }
    headers[count] = (struct pair){ 0 };
    *kept = (struct kept){
        .status = res->status, .language = res->language, .headers = headers, .size = res->size, .bytes = bytes
    };
    if (res->content_type)
        kept->content_type = put(&at, res->content_type, text_bytes(res->content_type));
    kept->body = res->size ? put(&at, res->body, res->size) : "";
    return kept;
}

void answers_keep(struct answers *answers, const char *key, uint64_t generation, const struct response *res)
{
    if (res->status != 200 || res->source.fd >= 0 || res->size > ANSWER_MAX)
        return;
    struct kept *kept = copy(res);
    kept->owner = answers;
    kept->generation = generation;
    /* Full by bytes: begin anew. What is asked for is back at once, and nothing stays longer than 5 s anyway. */
    if (answers->bytes + kept->bytes > BYTES_MAX)
        lru_clear(answers->lru);
    answers->bytes += kept->bytes;
    lru_put(answers->lru, key, kept, clock_ms() + AGE_MS);
}
