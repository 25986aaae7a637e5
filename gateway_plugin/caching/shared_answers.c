#include "caching/shared_answers.h"

#include "base/shared_memory.h"
#include "must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACES = 1 << 16,
    PARTS = 4, /* no answer takes more than such a part of the ring */
    ALIGN = 16,
};

struct claim {
    uint32_t hash;
    int64_t until_ms;
};

struct shared_answers {
    pthread_mutex_t lock;    /* robust; of all below */
    size_t bytes;            /* of the ring */
    uint64_t head;           /* bytes written since the beginning: the next answer begins at head % bytes */
    uint64_t places[PLACES]; /* by key: where its answer begins, plus one; 0: nowhere */
    struct claim claims[PLACES];
    char ring[] __attribute__((aligned(ALIGN)));
};

/* As it lies in the ring, before its fields, its Vary and its body. */
struct record {
    size_t size; /* in all */
    char key[65];
    enum cached_kind kind;
    int status;
    bool strict, shared;
    uint32_t target, field_count;
    size_t vary_size, body_size; /* vary_size: with its NUL, 0: none */
    uint64_t length;
    int64_t asked_us, stored_ms, age_ms, fresh_ms, stale_ms, keep_ms;
};

struct field_sizes {
    uint32_t name, value;
};

struct shared_answers *shared_answers_create(size_t bytes)
{
    struct shared_answers *shared = shared_memory_create(sizeof *shared + bytes);
    shared_mutex_init(&shared->lock);
    shared->bytes = bytes / ALIGN * ALIGN;
    return shared;
}

void shared_answers_destroy(struct shared_answers *shared)
{
    if (shared)
        shared_memory_destroy(shared, sizeof *shared + shared->bytes);
}

size_t shared_answers_used(struct shared_answers *shared)
{
    shared_mutex_lock(&shared->lock);
    size_t used = shared->head < shared->bytes ? (size_t)shared->head : shared->bytes;
    pthread_mutex_unlock(&shared->lock);
    return used;
}

/* Keys are hashes in hexadecimal digits. */
static uint32_t hash_of(const char *key)
{
    char digits[9];
    snprintf(digits, sizeof digits, "%.8s", key);
    return (uint32_t)strtoul(digits, NULL, 16);
}

/* What is there has not been written over. */
static struct record *record_at(struct shared_answers *shared, uint64_t place, const char *key)
{
    uint64_t at = place - 1;
    if (!place || at + shared->bytes < shared->head)
        return NULL;
    struct record *record = (struct record *)(void *)(shared->ring + at % shared->bytes);
    return strcmp(record->key, key) == 0 ? record : NULL;
}

static size_t size_of(const struct cached *cached)
{
    size_t size = sizeof(struct record) + cached->size + (cached->vary ? strlen(cached->vary) + 1 : 0);
    for (size_t i = 0; i < cached->field_count; i++)
        size += sizeof(struct field_sizes) + cached->fields[i].name_size + cached->fields[i].value_size;
    return (size + ALIGN - 1) / ALIGN * ALIGN;
}

static char *put(char *at, const void *data, size_t size)
{
    if (size)
        memcpy(at, data, size);
    return at + size;
}

static void write_record(char *at, const struct cached *cached, size_t size)
{
    struct record record = {
        .size = size,
        .kind = cached->kind,
        .status = cached->status,
        .strict = cached->strict,
        .shared = cached->shared,
        .target = cached->target,
        .field_count = (uint32_t)cached->field_count,
        .vary_size = cached->vary ? strlen(cached->vary) + 1 : 0,
        .body_size = cached->size,
        .length = cached->length,
        .asked_us = cached->asked_us,
        .stored_ms = cached->stored_ms,
        .age_ms = cached->age_ms,
        .fresh_ms = cached->fresh_ms,
        .stale_ms = cached->stale_ms,
        .keep_ms = cached->keep_ms,
    };
    memcpy(record.key, cached->key, sizeof record.key);
    at = put(at, &record, sizeof record);
    for (size_t i = 0; i < cached->field_count; i++) {
        const struct reply_field *field = &cached->fields[i];
        struct field_sizes sizes = { (uint32_t)field->name_size, (uint32_t)field->value_size };
        at = put(at, &sizes, sizeof sizes);
        at = put(at, field->name, field->name_size);
        at = put(at, field->value, field->value_size);
    }
    at = put(at, cached->vary, record.vary_size);
    put(at, cached->body, cached->size);
}

void shared_answers_put(struct shared_answers *shared, const struct cached *cached)
{
    size_t size = size_of(cached);
    if (size > shared->bytes / PARTS)
        return;
    shared_mutex_lock(&shared->lock);
    uint64_t at = shared->head, left = shared->bytes - at % shared->bytes;
    if (left < size)
        at += left; /* not around the end */
    shared->places[hash_of(cached->key) % PLACES] = 0;
    /* First what is written over is gone, then it is written over, then it is found. */
    shared->head = at + size;
    atomic_thread_fence(memory_order_seq_cst);
    write_record(shared->ring + at % shared->bytes, cached, size);
    atomic_thread_fence(memory_order_seq_cst);
    shared->places[hash_of(cached->key) % PLACES] = at + 1;
    pthread_mutex_unlock(&shared->lock);
}

static const char *read_fields(struct cached *cached, const char *at, size_t count)
{
    cached->fields = must(calloc(count + 1, sizeof *cached->fields));
    cached->cost += (count + 1) * sizeof *cached->fields;
    for (size_t i = 0; i < count; i++) {
        struct field_sizes sizes;
        memcpy(&sizes, at, sizeof sizes);
        at += sizeof sizes;
        char *text = must(malloc((size_t)sizes.name + sizes.value + 1));
        memcpy(text, at, (size_t)sizes.name + sizes.value);
        at += (size_t)sizes.name + sizes.value;
        cached->fields[cached->field_count++] = (struct reply_field){ text, sizes.name, text + sizes.name,
                                                                      sizes.value };
        cached->cost += (size_t)sizes.name + sizes.value + 32;
    }
    return at;
}

static struct cached *read_record(const struct record *record)
{
    const char *at = (const char *)(record + 1);
    struct cached *cached = cached_mark(record->kind, record->key, NULL);
    at = read_fields(cached, at, record->field_count);
    if (record->vary_size)
        cached->vary = must(strdup(at));
    at += record->vary_size;
    cached->status = record->status;
    cached->length = record->length;
    cached->target = record->target;
    cached->strict = record->strict;
    cached->shared = record->shared;
    cached->asked_us = record->asked_us;
    cached->stored_ms = record->stored_ms;
    cached->age_ms = record->age_ms;
    cached->fresh_ms = record->fresh_ms;
    cached->stale_ms = record->stale_ms;
    cached->keep_ms = record->keep_ms;
    cached->cost += record->vary_size;
    if (record->body_size)
        cached_add(cached, at, record->body_size, record->body_size);
    return cached;
}

struct cached *shared_answers_get(struct shared_answers *shared, const char *key, int64_t after_ms)
{
    shared_mutex_lock(&shared->lock);
    const struct record *record = record_at(shared, shared->places[hash_of(key) % PLACES], key);
    struct cached *cached = record && record->stored_ms > after_ms ? read_record(record) : NULL;
    pthread_mutex_unlock(&shared->lock);
    return cached;
}

void shared_answers_drop(struct shared_answers *shared, const char *key)
{
    shared_mutex_lock(&shared->lock);
    uint64_t *place = &shared->places[hash_of(key) % PLACES];
    if (record_at(shared, *place, key))
        *place = 0;
    pthread_mutex_unlock(&shared->lock);
}

/* Claims */

bool shared_answers_claim(struct shared_answers *shared, const char *key, int64_t now_ms, int64_t until_ms)
{
    uint32_t hash = hash_of(key);
    struct claim *claim = &shared->claims[hash % PLACES];
    shared_mutex_lock(&shared->lock);
    bool held = claim->until_ms > now_ms, same = claim->hash == hash;
    if (!held)
        *claim = (struct claim){ hash, until_ms };
    pthread_mutex_unlock(&shared->lock);
    return !held || !same;
}

void shared_answers_extend(struct shared_answers *shared, const char *key, int64_t until_ms)
{
    uint32_t hash = hash_of(key);
    struct claim *claim = &shared->claims[hash % PLACES];
    shared_mutex_lock(&shared->lock);
    if (claim->hash == hash)
        claim->until_ms = until_ms;
    pthread_mutex_unlock(&shared->lock);
}

void shared_answers_release(struct shared_answers *shared, const char *key)
{
    uint32_t hash = hash_of(key);
    struct claim *claim = &shared->claims[hash % PLACES];
    shared_mutex_lock(&shared->lock);
    if (claim->hash == hash)
        claim->until_ms = 0;
    pthread_mutex_unlock(&shared->lock);
}

bool shared_answers_claimed(struct shared_answers *shared, const char *key, int64_t now_ms)
{
    uint32_t hash = hash_of(key);
    const struct claim *claim = &shared->claims[hash % PLACES];
    shared_mutex_lock(&shared->lock);
    bool held = claim->hash == hash && claim->until_ms > now_ms;
    pthread_mutex_unlock(&shared->lock);
    return held;
}
