#include "apikey/rates.h"

#include "base/shared_memory.h"
#include "crypto/digest.h"

#include <string.h>

enum { SETS = 1024, WAYS = 32, MINUTE_S = 60 };

struct rate {
    struct rate_id id;
    uint64_t window; /* its first second in the upper half, requests in the lower; 0: nobody's */
};

struct rates {
    pthread_mutex_t locks[SETS];
    struct rate sets[SETS][WAYS];
};

struct rates *rates_create(void)
{
    struct rates *rates = shared_memory_create(sizeof *rates);
    for (int i = 0; i < SETS; i++)
        shared_mutex_init(&rates->locks[i]);
    return rates;
}

void rates_destroy(struct rates *rates)
{
    shared_memory_destroy(rates, sizeof *rates);
}

struct rate_id rate_id_of(const char *id)
{
    unsigned char digest[SHA256_SIZE];
    struct rate_id out;
    sha256(id, strlen(id), digest);
    memcpy(&out, digest, sizeof out);
    return out;
}

static bool is_over(const struct rate *rate, uint64_t now_s)
{
    return now_s - (rate->window >> 32) >= MINUTE_S;
}

/* The key's own place, or the one whose minute began first. */
static struct rate *place_of(struct rate set[WAYS], struct rate_id id)
{
    struct rate *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(&set[i].id, &id, sizeof id) == 0)
            return &set[i];
        if (set[i].window < oldest->window)
            oldest = &set[i];
    }
    oldest->window = 0;
    oldest->id = id;
    return oldest;
}

bool rates_take(struct rates *rates, struct rate_id id, int64_t per_minute, int64_t now_s, int64_t *remaining,
                int64_t *reset_s)
{
    pthread_mutex_t *lock = &rates->locks[id.words[0] % SETS];
    /* Who died with the lock held left one word as it was, or as it should be: both are good. */
    shared_mutex_lock(lock);
    struct rate *rate = place_of(rates->sets[id.words[0] % SETS], id);
    bool over = !rate->window || is_over(rate, (uint64_t)now_s);
    uint64_t first = over ? (uint64_t)now_s : rate->window >> 32, count = over ? 0 : rate->window & UINT32_MAX;
    bool good = (int64_t)count < per_minute;
    if (good)
        rate->window = first << 32 | (count + 1);
    pthread_mutex_unlock(lock);
    *reset_s = (int64_t)(first + MINUTE_S) - now_s;
    *remaining = good ? per_minute - (int64_t)count - 1 : 0;
    return good;
}
