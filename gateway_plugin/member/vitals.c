#include "member/vitals.h"

#include "base/shared_memory.h"
#include "crypto/digest.h"

#include <string.h>

enum { SETS = 256, WAYS = 16, FORGET_MS = 60000 };

struct vitals_table {
    pthread_mutex_t lock;
    struct vitals sets[SETS][WAYS];
};

struct vitals_table *vitals_table_create(void)
{
    struct vitals_table *table = shared_memory_create(sizeof *table);
    shared_mutex_init(&table->lock);
    return table;
}

void vitals_table_destroy(struct vitals_table *table)
{
    shared_memory_destroy(table, sizeof *table);
}

/* The place that has this key, or one that nobody uses. */
static struct vitals *place_of(struct vitals set[WAYS], const uint64_t key[2], int64_t now_ms)
{
    struct vitals *free_one = NULL;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(set[i].key, key, sizeof set[i].key) == 0)
            return &set[i];
        if (!free_one && (!set[i].seen_ms || now_ms - set[i].seen_ms > FORGET_MS))
            free_one = &set[i];
    }
    return free_one;
}

struct vitals *vitals_get(struct vitals_table *table, const char *identity, int64_t now_ms)
{
    unsigned char digest[SHA256_SIZE];
    uint64_t key[2];
    sha256(identity, strlen(identity), digest);
    memcpy(key, digest, sizeof key);
    /* Who died with the lock held left a place without its key, which nobody finds, or a whole one. */
    shared_mutex_lock(&table->lock);
    struct vitals *vitals = place_of(table->sets[key[0] % SETS], key, now_ms);
    if (vitals && (memcmp(vitals->key, key, sizeof key) != 0 || now_ms - vitals->seen_ms > FORGET_MS)) {
        memset(vitals, 0, sizeof *vitals);
        memcpy(vitals->key, key, sizeof key);
    }
    if (vitals)
        vitals_touch(vitals, now_ms);
    pthread_mutex_unlock(&table->lock);
    return vitals;
}

void vitals_touch(struct vitals *vitals, int64_t now_ms)
{
    /* 0 says that a place is nobody's. */
    vitals->seen_ms = now_ms ? now_ms : 1;
}
