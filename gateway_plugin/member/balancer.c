#include "member/balancer_parts.h"

#include "base/clock.h"
#include "must.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Who is found so soon after the first was there from the beginning: the slow start is not for him. */
enum { GATHER_MS = 2000 };

struct upstream {
    atomic_size_t references;
    const char *name;
    pthread_mutex_t lock; /* guards `set` */
    struct set *set;
    int64_t filled_ms; /* when it first had a member */
    atomic_uint version;
    size_t loops;
    struct picker pickers[];
};

static void set_unref(struct set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        member_unref(set->members[i].member);
    free(set->slots);
    free(set->hashes);
    free(set);
}

struct upstream *upstream_create(const char *name, size_t loops)
{
    struct upstream *upstream = must(calloc(1, sizeof *upstream + loops * sizeof(struct picker)));
    atomic_init(&upstream->references, 1);
    upstream->name = must(strdup(name));
    upstream->loops = loops;
    pthread_mutex_init(&upstream->lock, NULL);
    atomic_init(&upstream->version, 1);
    upstream_set(upstream, NULL, NULL, 0);
    return upstream;
}

struct upstream *upstream_ref(struct upstream *upstream)
{
    atomic_fetch_add_explicit(&upstream->references, 1, memory_order_relaxed);
    return upstream;
}

void upstream_unref(struct upstream *upstream)
{
    if (!upstream || atomic_fetch_sub(&upstream->references, 1) != 1)
        return;
    for (size_t i = 0; i < upstream->loops; i++) {
        set_unref(upstream->pickers[i].set);
        free(upstream->pickers[i].credit);
    }
    set_unref(upstream->set);
    pthread_mutex_destroy(&upstream->lock);
    free((char *)upstream->name);
    free(upstream);
}

static struct member *find(const struct set *set, const struct member *member)
{
    for (size_t i = 0; set && i < set->count; i++)
        if (member_same(set->members[i].member, member))
            return set->members[i].member;
    return NULL;
}

/* The one that was there before, where it is judged as it was. */
static struct member *settle(struct upstream *upstream, struct member *member, int64_t now_ms)
{
    struct member *known = find(upstream->set, member);
    if (!known && upstream->filled_ms && now_ms - upstream->filled_ms > GATHER_MS)
        member->vitals->fresh_ms = now_ms;
    if (!known || memcmp(&known->checks, &member->checks, sizeof member->checks) != 0)
        return member;
    member_unref(member);
    return member_ref(known);
}

/* Requests under way end there; its connections are not kept for others. */
static void say_left(const struct set *old, const struct set *set)
{
    for (size_t i = 0; old && i < old->count; i++)
        old->members[i].member->left = find(set, old->members[i].member) != old->members[i].member;
}

void upstream_set(struct upstream *upstream, const struct balance *balance, const struct weighted *members,
                  size_t count)
{
    struct set *set = must(calloc(1, sizeof *set + count * sizeof(struct weighted)));
    int64_t now_ms = clock_ms();
    atomic_init(&set->references, 1);
    set->balance = balance ? *balance : (struct balance){ .algorithm = ALGORITHM_TURNS };
    set->count = count;
    pthread_mutex_lock(&upstream->lock);
    struct set *old = upstream->set;
    for (size_t i = 0; i < count; i++)
        set->members[i] = (struct weighted){ settle(upstream, members[i].member, now_ms), members[i].weight };
    set_share_slots(set);
    say_left(old, set);
    upstream->set = set;
    if (count && !upstream->filled_ms)
        upstream->filled_ms = now_ms ? now_ms : 1;
    atomic_fetch_add(&upstream->version, 1);
    pthread_mutex_unlock(&upstream->lock);
    set_unref(old);
}

void upstream_retire(struct upstream *upstream)
{
    pthread_mutex_lock(&upstream->lock);
    for (size_t i = 0; i < upstream->set->count; i++)
        upstream->set->members[i].member->left = true;
    pthread_mutex_unlock(&upstream->lock);
}

void upstream_each(struct upstream *upstream, void (*each)(void *self, struct member *member, int64_t weight),
                   void *self)
{
    pthread_mutex_lock(&upstream->lock);
    for (size_t i = 0; i < upstream->set->count; i++)
        each(self, upstream->set->members[i].member, upstream->set->members[i].weight);
    pthread_mutex_unlock(&upstream->lock);
}

static void renew(struct upstream *upstream, struct picker *picker, size_t loop)
{
    struct set *old = picker->set;
    pthread_mutex_lock(&upstream->lock);
    picker->set = upstream->set;
    atomic_fetch_add(&picker->set->references, 1);
    picker->version = atomic_load(&upstream->version);
    pthread_mutex_unlock(&upstream->lock);
    set_unref(old);
    free(picker->credit);
    picker->credit = must(calloc(picker->set->count + 1, sizeof *picker->credit));
    if (!picker->random)
        picker->random = (uint64_t)clock_us() * 2 + 1 + loop;
    /* Loops start at different members, or all would ask the same one first. */
    if (picker->set->count)
        picker->credit[loop % picker->set->count] = 1;
}

struct member *upstream_pick(struct upstream *upstream, const struct wish *wish)
{
    struct picker *picker = &upstream->pickers[wish->loop];
    if (picker->version != atomic_load_explicit(&upstream->version, memory_order_acquire))
        renew(upstream, picker, wish->loop);
    struct member *member = picker_pick(picker, wish);
    return member ? member_ref(member) : NULL;
}
