#include "limiting/counts.h"

#include "base/random.h"
#include "base/shared_memory.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { WAYS = 16, SETS = COUNTS_MAX / WAYS };

/* Seconds as 32 bits hold until 2106. */
struct count {
    struct rate_id id;
    uint32_t starts[PERIODS]; /* the window that `used` is of; of a second always the last one seen */
    uint32_t used[PERIODS];
};

struct counts {
    unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
    pthread_mutex_t locks[SETS];
    struct count sets[SETS][WAYS];
};

struct counts *counts_create(void)
{
    struct counts *counts = shared_memory_create(sizeof *counts);
    random_bytes(counts->key, sizeof counts->key);
    for (int i = 0; i < SETS; i++)
        shared_mutex_init(&counts->locks[i]);
    return counts;
}

void counts_destroy(struct counts *counts)
{
    shared_memory_destroy(counts, sizeof *counts);
}

struct rate_id counts_id(const struct counts *counts, const char *who, size_t size)
{
    struct rate_id out;
    unsigned char hash[crypto_shorthash_siphashx24_BYTES];
    static_assert(sizeof hash == sizeof out, "a hash is an id");
    crypto_shorthash_siphashx24(hash, (const unsigned char *)who, size, counts->key);
    memcpy(&out, hash, sizeof out);
    return out;
}

/* Their own place, or that of whoever was not seen for longest. */
static struct count *place_of(struct count set[WAYS], struct rate_id id)
{
    struct count *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(&set[i].id, &id, sizeof id) == 0)
            return &set[i];
        if (set[i].starts[PERIOD_SECOND] < oldest->starts[PERIOD_SECOND])
            oldest = &set[i];
    }
    memset(oldest->used, 0, sizeof oldest->used);
    memset(oldest->starts, 0, sizeof oldest->starts);
    oldest->id = id;
    return oldest;
}

/* The window has moved on: first nothing is used of the old one, then it is the new one. */
static void move(struct count *count, enum period period, int64_t now_s)
{
    uint32_t start = (uint32_t)period_window(period, now_s).start;
    if (count->starts[period] == start)
        return;
    count->used[period] = 0;
    count->starts[period] = start;
}

static bool has_room(struct count *count, const int64_t limits[PERIODS], int64_t now_s, int64_t used[PERIODS])
{
    bool room = true;
    for (enum period i = 0; i < PERIODS; i++) {
        used[i] = 0;
        if (limits[i] || i == PERIOD_SECOND)
            move(count, i, now_s);
        if (!limits[i])
            continue;
        used[i] = count->used[i];
        room = room && used[i] < limits[i];
    }
    return room;
}

bool counts_take(struct counts *counts, struct rate_id id, const int64_t limits[PERIODS], int64_t now_s,
                 int64_t used[PERIODS])
{
    size_t set = id.words[0] % SETS;
    /* Who died with the lock held has counted a request in some windows and not in others: that is forgiven. */
    shared_mutex_lock(&counts->locks[set]);
    struct count *count = place_of(counts->sets[set], id);
    bool room = has_room(count, limits, now_s, used);
    for (enum period i = 0; room && i < PERIODS; i++)
        count->used[i] += limits[i] != 0;
    pthread_mutex_unlock(&counts->locks[set]);
    return room;
}

void counts_raise(struct counts *counts, struct rate_id id, const int64_t totals[PERIODS], int64_t now_s)
{
    size_t set = id.words[0] % SETS;
    shared_mutex_lock(&counts->locks[set]);
    struct count *count = place_of(counts->sets[set], id);
    for (enum period i = 0; i < PERIODS; i++)
        if (totals[i] && count->starts[i] == (uint32_t)period_window(i, now_s).start && totals[i] > count->used[i])
            count->used[i] = totals[i] < UINT32_MAX ? (uint32_t)totals[i] : UINT32_MAX;
    pthread_mutex_unlock(&counts->locks[set]);
}
