#include "base/lru.h"

#include "base/clock.h"
#include "base/random.h"

#include <sodium/crypto_shorthash.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *chain;         /* of its bucket */
    struct entry *newer, *older; /* by last use */
    void *value;
    int64_t until_ms;
    uint64_t hash;
    char key[];
};

struct lru {
    struct entry **buckets;
    size_t mask; /* buckets - 1 */
    struct entry *newest, *oldest;
    size_t count, capacity;
    void (*release)(void *value);
    unsigned char seed[crypto_shorthash_KEYBYTES]; /* keys come from outside: nobody shall aim at one bucket */
};

struct lru *lru_create(size_t capacity, void (*release)(void *value))
{
    struct lru *lru = calloc(1, sizeof *lru);
    size_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    if (lru)
        lru->buckets = calloc(buckets, sizeof(struct entry *));
    if (!lru || !lru->buckets)
        abort();
    lru->mask = buckets - 1;
    lru->capacity = capacity ? capacity : 1;
    lru->release = release;
    random_bytes(lru->seed, sizeof lru->seed);
    return lru;
}

static uint64_t hash_of(const struct lru *lru, const char *key, size_t size)
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key, size, lru->seed);
    return hash;
}

/* The link that points to the entry, or the end of its bucket. */
static struct entry **link_of(const struct lru *lru, const char *key, uint64_t hash)
{
    struct entry **link = &lru->buckets[hash & lru->mask];
    while (*link && ((*link)->hash != hash || strcmp((*link)->key, key) != 0))
        link = &(*link)->chain;
    return link;
}

static void unlink_use(struct lru *lru, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &lru->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &lru->oldest) = entry->newer;
}

static void link_newest(struct lru *lru, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = lru->newest;
    *(lru->newest ? &lru->newest->newer : &lru->oldest) = entry;
    lru->newest = entry;
}

/* Takes the entry out without releasing its value. */
static void *take_at(struct lru *lru, struct entry **link)
{
    struct entry *entry = *link;
    void *value = entry->value;
    *link = entry->chain;
    unlink_use(lru, entry);
    lru->count--;
    free(entry);
    return value;
}

static void remove_at(struct lru *lru, struct entry **link)
{
    void *value = take_at(lru, link);
    if (lru->release)
        lru->release(value);
}

static void remove_entry(struct lru *lru, struct entry *entry)
{
    remove_at(lru, link_of(lru, entry->key, entry->hash));
}

void *lru_get(struct lru *lru, const char *key)
{
    struct entry **link = link_of(lru, key, hash_of(lru, key, strlen(key)));
    struct entry *entry = *link;
    if (!entry)
        return NULL;
    if (entry->until_ms && entry->until_ms <= clock_ms()) {
        remove_at(lru, link);
        return NULL;
    }
    if (entry != lru->newest) {
        unlink_use(lru, entry);
        link_newest(lru, entry);
    }
    return entry->value;
}

void lru_put(struct lru *lru, const char *key, void *value, int64_t until_ms)
{
    size_t size = strlen(key);
    uint64_t hash = hash_of(lru, key, size);
    struct entry **link = link_of(lru, key, hash);
    if (*link && (*link)->value == value)
        take_at(lru, link); /* put again: it stays */
    else if (*link)
        remove_at(lru, link);
    else if (lru->count == lru->capacity)
        remove_entry(lru, lru->oldest);

    struct entry *entry = malloc(sizeof *entry + size + 1);
    if (!entry)
        abort();
    *entry = (struct entry){ .value = value, .until_ms = until_ms, .hash = hash };
    memcpy(entry->key, key, size + 1);
    struct entry **bucket = &lru->buckets[hash & lru->mask];
    entry->chain = *bucket;
    *bucket = entry;
    link_newest(lru, entry);
    lru->count++;
}

bool lru_drop(struct lru *lru, const char *key)
{
    struct entry **link = link_of(lru, key, hash_of(lru, key, strlen(key)));
    if (!*link)
        return false;
    remove_at(lru, link);
    return true;
}

bool lru_drop_oldest(struct lru *lru)
{
    if (!lru->oldest)
        return false;
    remove_entry(lru, lru->oldest);
    return true;
}

void lru_clear(struct lru *lru)
{
    while (lru->oldest)
        remove_entry(lru, lru->oldest);
}

size_t lru_count(const struct lru *lru)
{
    return lru->count;
}

void lru_filter(struct lru *lru, bool (*each)(void *self, const char *key, void *value), void *self)
{
    struct entry *newer;
    for (struct entry *entry = lru->oldest; entry; entry = newer) {
        newer = entry->newer;
        if (!each(self, entry->key, entry->value))
            remove_entry(lru, entry);
    }
}

void lru_destroy(struct lru *lru)
{
    if (!lru)
        return;
    lru_clear(lru);
    free(lru->buckets);
    free(lru);
}
