#include "member/balancer_parts.h"

#include "must.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FINE = 100,      /* parts of a weight: a slow start grows by them */
    START_PART = 10, /* ... from this many */
};

static bool among(const struct member *member, const struct wish *wish)
{
    for (size_t i = 0; i < wish->tried_count; i++)
        if (wish->tried[i] == member)
            return true;
    return false;
}

/* Its weight now: who is fresh begins with a tenth. */
static int64_t weight_of(const struct set *set, size_t i, int64_t now_ms)
{
    int64_t weight = set->members[i].weight * FINE, slow = set->balance.slow_start_ms;
    if (!slow)
        return weight;
    int64_t fresh = atomic_load_explicit(&set->members[i].member->vitals->fresh_ms, memory_order_relaxed);
    int64_t age = now_ms - fresh;
    if (!fresh || age >= slow)
        return weight;
    int64_t part = START_PART + (FINE - START_PART) * (age > 0 ? age : 0) / slow;
    return set->members[i].weight * part;
}

static bool candidate(const struct set *set, size_t i, const struct wish *wish)
{
    const struct weighted *row = &set->members[i];
    return row->weight && member_usable(row->member, wish->now_ms) && !among(row->member, wish);
}

static uint64_t next_random(struct picker *picker)
{
    /* xorshift64* (Marsaglia, Vigna) */
    uint64_t x = picker->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    picker->random = x;
    return x * 0x2545f4914f6cdd1d;
}

/* In turns, by weight, smoothly: nobody is asked twice in a row who need not be. */
static size_t by_turns(struct picker *picker, const struct wish *wish)
{
    int64_t total = 0;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < picker->set->count; i++) {
        if (!candidate(picker->set, i, wish))
            continue;
        int64_t weight = weight_of(picker->set, i, wish->now_ms);
        total += weight;
        picker->credit[i] += weight;
        if (best == SIZE_MAX || picker->credit[i] > picker->credit[best])
            best = i;
    }
    if (best != SIZE_MAX)
        picker->credit[best] -= total;
    return best;
}

/* Who has least to do for his weight; among equals another one each time. */
static size_t by_load(struct picker *picker, const struct wish *wish)
{
    const struct set *set = picker->set;
    size_t best = SIZE_MAX, from = set->count ? next_random(picker) % set->count : 0;
    double least = 0;
    for (size_t n = 0; n < set->count; n++) {
        size_t i = (from + n) % set->count;
        if (!candidate(set, i, wish))
            continue;
        int active = atomic_load_explicit(&set->members[i].member->active, memory_order_relaxed);
        double load = (active + 1.0) / (double)weight_of(set, i, wish->now_ms);
        if (best == SIZE_MAX || load < least) {
            best = i;
            least = load;
        }
    }
    return best;
}

/* One that has not answered yet is asked once before it is judged. */
static double expected_wait(const struct set *set, size_t i, int64_t now_ms)
{
    const struct member *member = set->members[i].member;
    int64_t spent = atomic_load_explicit(&member->spent_us, memory_order_relaxed);
    int active = atomic_load_explicit(&member->active, memory_order_relaxed);
    if (!spent)
        return active ? INFINITY : 0;
    return (double)spent * (active + 1.0) / (double)weight_of(set, i, now_ms);
}

static size_t candidate_from(const struct set *set, size_t from, const struct wish *wish)
{
    for (size_t n = 0; n < set->count; n++)
        if (candidate(set, (from + n) % set->count, wish))
            return (from + n) % set->count;
    return SIZE_MAX;
}

/* Of two at random the one that will likely answer first: the best of all would be asked by everybody at once. */
static size_t by_latency(struct picker *picker, const struct wish *wish)
{
    const struct set *set = picker->set;
    if (!set->count)
        return SIZE_MAX;
    size_t one = candidate_from(set, next_random(picker) % set->count, wish);
    if (one == SIZE_MAX)
        return one;
    size_t hop = set->count > 1 ? 1 + next_random(picker) % (set->count - 1) : 0;
    size_t other = candidate_from(set, (one + hop) % set->count, wish);
    /* Others leave members out meanwhile. */
    if (other == SIZE_MAX)
        return one;
    return expected_wait(set, other, wish->now_ms) < expected_wait(set, one, wish->now_ms) ? other : one;
}

/*
 * Weighted rendezvous hashing (Thaler and Ravishankar; the weights after
 * Schindelhauer and Schomaker) of slots: a member that comes or goes moves only
 * what becomes or was its own.
 */

static uint64_t mix(uint64_t x)
{
    /* splitmix64's end */
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

static double distance(const struct set *set, size_t i, uint64_t slot)
{
    uint64_t hash = mix(set->hashes[i] ^ mix(slot + 0x9e3779b97f4a7c15));
    double unit = ((double)(hash >> 11) + 0.5) / 9007199254740992.0;
    return -log(unit) / (double)set->members[i].weight;
}

/* `wish` NULL: whether they are in does not matter. */
static size_t nearest(const struct set *set, uint64_t slot, const struct wish *wish)
{
    size_t best = SIZE_MAX;
    double least = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (wish ? !candidate(set, i, wish) : !set->members[i].weight)
            continue;
        double far = distance(set, i, slot);
        if (best == SIZE_MAX || far < least) {
            best = i;
            least = far;
        }
    }
    return best;
}

static uint64_t hash_of(const struct member *member)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (const char *c = member->name; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
    const unsigned char *bytes = (const unsigned char *)&member->address.socket;
    for (size_t i = 0; i < member->address.size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return mix(hash);
}

void set_share_slots(struct set *set)
{
    size_t slots = (size_t)set->balance.slots;
    if (set->balance.algorithm != ALGORITHM_HASH || !slots || !set->count)
        return;
    set->hashes = must(calloc(set->count, sizeof *set->hashes));
    for (size_t i = 0; i < set->count; i++)
        set->hashes[i] = hash_of(set->members[i].member);
    if (nearest(set, 0, NULL) == SIZE_MAX)
        return;
    set->slots = must(calloc(slots, sizeof *set->slots));
    for (size_t slot = 0; slot < slots; slot++)
        set->slots[slot] = (uint16_t)nearest(set, slot, NULL);
}

static size_t by_hash(struct picker *picker, const struct wish *wish)
{
    const struct set *set = picker->set;
    if (!wish->hashed || !set->slots)
        return by_turns(picker, wish);
    uint64_t slot = mix(wish->hash) % (uint64_t)set->balance.slots;
    size_t i = set->slots[slot];
    return candidate(set, i, wish) ? i : nearest(set, slot, wish);
}

/* Who has been out longest; the operator's own are left alone. */
static struct member *longest_out(const struct set *set, const struct wish *wish)
{
    struct member *best = NULL;
    int64_t least = OUT_HELD;
    for (size_t i = 0; i < set->count; i++) {
        struct member *member = set->members[i].member;
        int64_t until = member->vitals->out_until;
        if (set->members[i].weight && !among(member, wish) && until < least) {
            best = member;
            least = until;
        }
    }
    return best;
}

/* Kong's: below this part of the weight those that are left would only fall too. */
static bool too_few(const struct set *set, int64_t now_ms)
{
    int64_t total = 0, in = 0;
    for (size_t i = 0; i < set->count; i++) {
        total += set->members[i].weight;
        in += member_usable(set->members[i].member, now_ms) ? set->members[i].weight : 0;
    }
    return in * 100 < total * set->balance.threshold;
}

struct member *picker_pick(struct picker *picker, const struct wish *wish)
{
    static size_t (*const ways[])(struct picker *, const struct wish *) = { [ALGORITHM_HASH] = by_hash,
                                                                            [ALGORITHM_LEAST] = by_load,
                                                                            [ALGORITHM_TURNS] = by_turns,
                                                                            [ALGORITHM_LATENCY] = by_latency };
    const struct set *set = picker->set;
    if (set->balance.threshold && too_few(set, wish->now_ms))
        return NULL;
    size_t i;
    /* One that another request tries already is no candidate the next time. */
    while ((i = ways[set->balance.algorithm](picker, wish)) != SIZE_MAX)
        if (member_try(set->members[i].member, wish->now_ms))
            return set->members[i].member;
    return set->balance.threshold ? NULL : longest_out(set, wish);
}
