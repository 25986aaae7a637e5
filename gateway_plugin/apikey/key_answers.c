#include "apikey/key_answers.h"

#include "base/shared_memory.h"
#include "crypto/digest.h"

#include <string.h>

enum { SETS = 512, WAYS = 16 };

struct entry {
    unsigned char digest[SHA256_SIZE]; /* of the key */
    struct key_answer answer;          /* checked_ms is 0 while it is written, and of nobody's */
};

struct key_answers {
    struct set {
        pthread_mutex_t lock;
        struct entry entries[WAYS];
    } sets[SETS];
};

struct key_answers *key_answers_create(void)
{
    struct key_answers *answers = shared_memory_create(sizeof *answers);
    for (size_t i = 0; i < SETS; i++)
        shared_mutex_init(&answers->sets[i].lock);
    return answers;
}

void key_answers_destroy(struct key_answers *answers)
{
    shared_memory_destroy(answers, sizeof *answers);
}

/* With its lock held. */
static struct set *set_of(struct key_answers *answers, const char *key, unsigned char digest[SHA256_SIZE])
{
    sha256(key, strlen(key), digest);
    struct set *set = &answers->sets[(digest[0] | digest[1] << 8) % SETS];
    /* Who died while he wrote left an entry that is nobody's. */
    shared_mutex_lock(&set->lock);
    return set;
}

/* The key's own, or the oldest one. */
static struct entry *place_of(struct set *set, const unsigned char digest[SHA256_SIZE])
{
    struct entry *oldest = set->entries;
    for (size_t i = 0; i < WAYS; i++) {
        struct entry *entry = &set->entries[i];
        if (memcmp(entry->digest, digest, SHA256_SIZE) == 0)
            return entry;
        if (entry->answer.checked_ms < oldest->answer.checked_ms)
            oldest = entry;
    }
    return oldest;
}

static void set_time(struct entry *entry, int64_t checked_ms)
{
    __atomic_store_n(&entry->answer.checked_ms, checked_ms, __ATOMIC_SEQ_CST);
}

void key_answers_put(struct key_answers *answers, const char *key, int64_t checked_ms, const char *data, size_t size)
{
    unsigned char digest[SHA256_SIZE];
    if (size > KEY_ANSWER_SIZE) {
        key_answers_drop(answers, key);
        return;
    }
    struct set *set = set_of(answers, key, digest);
    struct entry *entry = place_of(set, digest);
    set_time(entry, 0);
    memcpy(entry->digest, digest, sizeof digest);
    memcpy(entry->answer.data, data, size);
    entry->answer.size = size;
    set_time(entry, checked_ms);
    pthread_mutex_unlock(&set->lock);
}

bool key_answers_get(struct key_answers *answers, const char *key, int64_t after_ms, struct key_answer *out)
{
    unsigned char digest[SHA256_SIZE];
    struct set *set = set_of(answers, key, digest);
    const struct entry *entry = place_of(set, digest);
    bool good = memcmp(entry->digest, digest, sizeof digest) == 0 && entry->answer.checked_ms > after_ms;
    if (good)
        memcpy(out, &entry->answer, sizeof *out);
    pthread_mutex_unlock(&set->lock);
    return good;
}

void key_answers_drop(struct key_answers *answers, const char *key)
{
    unsigned char digest[SHA256_SIZE];
    struct set *set = set_of(answers, key, digest);
    struct entry *entry = place_of(set, digest);
    if (memcmp(entry->digest, digest, sizeof digest) == 0)
        set_time(entry, 0);
    pthread_mutex_unlock(&set->lock);
}
