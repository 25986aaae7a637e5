#include "lockout/tallies.h"

#include "base/clock.h"
#include "base/lru.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Some 10 MB when full. To push one out takes as many failures, each of them as dear as a hash. */
enum { ACCOUNTS_MAX = 50000, ADDRESSES_MAX = 10000 };

struct account_tally {
    int64_t count, last_ms;
};

/* Times of the newest failures, the newest first. */
struct address_tally {
    size_t count;
    int64_t at_ms[ADDRESS_FAILURES_MAX];
};

struct local_tallies {
    pthread_mutex_t lock;
    struct lru *accounts, *addresses;
};

struct local_tallies *local_tallies_create(void)
{
    struct local_tallies *tallies = calloc(1, sizeof *tallies);
    if (!tallies)
        abort();
    pthread_mutex_init(&tallies->lock, NULL);
    tallies->accounts = lru_create(ACCOUNTS_MAX, free);
    tallies->addresses = lru_create(ADDRESSES_MAX, free);
    return tallies;
}

void local_tallies_destroy(struct local_tallies *tallies)
{
    if (!tallies)
        return;
    lru_destroy(tallies->accounts);
    lru_destroy(tallies->addresses);
    pthread_mutex_destroy(&tallies->lock);
    free(tallies);
}

static struct failures failures_of(struct local_tallies *tallies, const char *key, int64_t now)
{
    const struct account_tally *tally = lru_get(tallies->accounts, key);
    return tally ? (struct failures){ tally->count, now - tally->last_ms } : (struct failures){ 0 };
}

void local_tallies_read(struct local_tallies *tallies, const struct tally_keys *keys, int64_t address_limit,
                        struct tallies *out)
{
    int64_t now = clock_ms();
    pthread_mutex_lock(&tallies->lock);
    out->here = failures_of(tallies, keys->here, now);
    out->everywhere = failures_of(tallies, keys->everywhere, now);
    const struct address_tally *address = lru_get(tallies->addresses, keys->address);
    bool enough = address && (int64_t)address->count >= address_limit;
    out->address_age_ms = enough ? now - address->at_ms[address_limit - 1] : -1;
    pthread_mutex_unlock(&tallies->lock);
}

/* What stands under the key, put there where nothing does; it lives `for_ms` from now. */
static void *touch(struct lru *lru, const char *key, size_t size, int64_t for_ms)
{
    void *tally = lru_get(lru, key);
    if (!tally)
        tally = calloc(1, size);
    if (!tally)
        abort();
    lru_put(lru, key, tally, clock_ms() + for_ms);
    return tally;
}

static void add_to_account(struct local_tallies *tallies, const char *key)
{
    struct account_tally *tally = touch(tallies->accounts, key, sizeof *tally, REMEMBERED_MS);
    tally->count++;
    tally->last_ms = clock_ms();
}

void local_tallies_add(struct local_tallies *tallies, const struct tally_keys *keys)
{
    pthread_mutex_lock(&tallies->lock);
    add_to_account(tallies, keys->here);
    add_to_account(tallies, keys->everywhere);
    struct address_tally *address = touch(tallies->addresses, keys->address, sizeof *address, ADDRESS_WINDOW_MS);
    size_t kept = address->count < ADDRESS_FAILURES_MAX ? address->count : ADDRESS_FAILURES_MAX - 1;
    memmove(&address->at_ms[1], address->at_ms, kept * sizeof *address->at_ms);
    address->at_ms[0] = clock_ms();
    address->count = kept + 1;
    pthread_mutex_unlock(&tallies->lock);
}

static void take_off(struct local_tallies *tallies, const struct tally_keys *keys, int64_t count)
{
    struct account_tally *everywhere = lru_get(tallies->accounts, keys->everywhere);
    if (everywhere && (everywhere->count -= count) <= 0)
        lru_drop(tallies->accounts, keys->everywhere);
    struct address_tally *address = lru_get(tallies->addresses, keys->address);
    size_t off = !address ? 0 : count < (int64_t)address->count ? (size_t)count : address->count;
    if (!off)
        return;
    address->count -= off;
    memmove(address->at_ms, &address->at_ms[off], address->count * sizeof *address->at_ms);
}

void local_tallies_clear(struct local_tallies *tallies, const struct tally_keys *keys)
{
    pthread_mutex_lock(&tallies->lock);
    const struct account_tally *here = lru_get(tallies->accounts, keys->here);
    if (here) {
        take_off(tallies, keys, here->count);
        lru_drop(tallies->accounts, keys->here);
    }
    pthread_mutex_unlock(&tallies->lock);
}
