#include "balancer.h"

#include "must.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BACKOFF_FIRST = 1000, BACKOFF_MAX = 30000 };

struct set {
    atomic_size_t references;
    size_t count;
    struct weighted members[];
};

/* A loop's view: touched by that loop only. */
struct picker {
    unsigned version;
    struct set *set;
    int64_t *credit; /* of each member: who has most is next */
    char padding[64];
};

struct upstream {
    const char *name;
    pthread_mutex_t lock; /* guards `set` */
    struct set *set;
    atomic_uint version;
    size_t loops;
    struct picker pickers[];
};

struct member *member_create(const char *name, const char *id, const struct address *address, bool ours,
                             const struct kong_health *health)
{
    struct member *member = must(calloc(1, sizeof *member));
    atomic_init(&member->references, 1);
    member->name = must(strdup(name));
    member->id = must(strdup(id));
    member->address = *address;
    member->ours = ours;
    member->health = *health;
    /* The configuration that these lists lie in may go first. */
    member->health.failure_statuses.items = must(malloc(sizeof(int64_t) * (health->failure_statuses.count + 1)));
    if (health->failure_statuses.count)
        memcpy(member->health.failure_statuses.items, health->failure_statuses.items,
               sizeof(int64_t) * health->failure_statuses.count);
    member->health.success_statuses = (struct integers){ 0 };
    return member;
}

struct member *member_ref(struct member *member)
{
    atomic_fetch_add_explicit(&member->references, 1, memory_order_relaxed);
    return member;
}

void member_unref(struct member *member)
{
    if (!member || atomic_fetch_sub(&member->references, 1) != 1)
        return;
    free(member->health.failure_statuses.items);
    free((char *)member->name);
    free((char *)member->id);
    free(member);
}

static void leave_out(struct member *member, int64_t now_ms)
{
    int backoff = member->backoff_ms;
    backoff = !backoff ? BACKOFF_FIRST : backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : backoff * 2;
    member->backoff_ms = backoff;
    member->out_until = now_ms + backoff;
}

static void count_failure(struct member *member, _Atomic int *count, int64_t limit, int64_t now_ms)
{
    atomic_fetch_add_explicit(&member->failed, 1, memory_order_relaxed);
    int failures = atomic_fetch_add(count, 1) + 1;
    /* One that was out and is tried again has one chance. */
    bool trial = member->backoff_ms;
    if (limit && (failures >= limit || trial))
        leave_out(member, now_ms);
}

static bool status_failed(const struct member *member, int status)
{
    const struct integers *statuses = &member->health.failure_statuses;
    for (size_t i = 0; i < statuses->count; i++)
        if (statuses->items[i] == status)
            return true;
    return false;
}

static void clear(_Atomic int *count)
{
    /* Read first: a line that all loops share is written only when it changes. */
    if (atomic_load_explicit(count, memory_order_relaxed))
        *count = 0;
}

static void report_success(struct member *member)
{
    clear(&member->connect_failures);
    clear(&member->timeouts);
    clear(&member->failures);
    clear(&member->backoff_ms);
    if (atomic_load_explicit(&member->out_until, memory_order_relaxed))
        member->out_until = 0;
}

void member_report(struct member *member, enum outcome outcome, int status, int64_t now_ms)
{
    switch (outcome) {
    case OUTCOME_CONNECT_FAILED:
        count_failure(member, &member->connect_failures, member->health.tcp_failures, now_ms);
        break;
    case OUTCOME_TIMED_OUT:
        count_failure(member, &member->timeouts, member->health.timeouts, now_ms);
        break;
    case OUTCOME_BROKEN:
        count_failure(member, &member->failures, member->health.tcp_failures, now_ms);
        break;
    case OUTCOME_STATUS:
        atomic_fetch_add_explicit(&member->requests, 1, memory_order_relaxed);
        if (member->health.http_failures && status_failed(member, status))
            count_failure(member, &member->failures, member->health.http_failures, now_ms);
        else
            report_success(member);
    }
}

const char *member_state(const struct member *member, int64_t now_ms)
{
    int64_t until = member->out_until;
    return until > now_ms ? "UNHEALTHY" : "HEALTHY";
}

static void set_unref(struct set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) != 1)
        return;
    for (size_t i = 0; i < set->count; i++)
        member_unref(set->members[i].member);
    free(set);
}

struct upstream *upstream_create(const char *name, size_t loops)
{
    struct upstream *upstream = must(calloc(1, sizeof *upstream + loops * sizeof(struct picker)));
    upstream->name = must(strdup(name));
    upstream->loops = loops;
    pthread_mutex_init(&upstream->lock, NULL);
    atomic_init(&upstream->version, 1);
    upstream_set(upstream, NULL, 0);
    return upstream;
}

void upstream_destroy(struct upstream *upstream)
{
    if (!upstream)
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

static struct member *same_member(const struct set *set, const struct member *member)
{
    for (size_t i = 0; set && i < set->count; i++) {
        struct member *old = set->members[i].member;
        if (strcmp(old->name, member->name) == 0 && strcmp(old->id, member->id) == 0 && old->ours == member->ours &&
            old->health.tcp_failures == member->health.tcp_failures &&
            old->health.timeouts == member->health.timeouts &&
            old->health.http_failures == member->health.http_failures && old->address.size == member->address.size &&
            memcmp(&old->address.socket, &member->address.socket, member->address.size) == 0)
            return old;
    }
    return NULL;
}

void upstream_set(struct upstream *upstream, const struct weighted *members, size_t count)
{
    struct set *set = must(calloc(1, sizeof *set + count * sizeof(struct weighted)));
    atomic_init(&set->references, 1);
    set->count = count;
    pthread_mutex_lock(&upstream->lock);
    struct set *old = upstream->set;
    for (size_t i = 0; i < count; i++) {
        struct member *known = same_member(old, members[i].member);
        set->members[i] = members[i];
        if (known) {
            set->members[i].member = member_ref(known);
            member_unref(members[i].member);
        }
    }
    upstream->set = set;
    atomic_fetch_add(&upstream->version, 1);
    pthread_mutex_unlock(&upstream->lock);
    set_unref(old);
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
    /* Loops start at different members, or all would ask the same one first. */
    if (picker->set->count)
        picker->credit[loop % picker->set->count] = 1;
}

static bool among(const struct member *member, struct member *const *tried, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (tried[i] == member)
            return true;
    return false;
}

/* While one request tries a member that was out, the others leave it alone. */
static bool take_trial(struct member *member, int64_t until, int64_t now_ms)
{
    return atomic_compare_exchange_strong(&member->out_until, &until, now_ms + BACKOFF_FIRST);
}

static bool usable(struct member *member, int64_t now_ms)
{
    int64_t until = atomic_load_explicit(&member->out_until, memory_order_relaxed);
    return !until || until <= now_ms;
}

static struct member *next_in_turn(struct picker *picker, struct member *const *tried, size_t tried_count,
                                   int64_t now_ms)
{
    int64_t total = 0;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < picker->set->count; i++) {
        const struct weighted *row = &picker->set->members[i];
        if (!row->weight || !usable(row->member, now_ms) || among(row->member, tried, tried_count))
            continue;
        total += row->weight;
        picker->credit[i] += row->weight;
        if (best == SIZE_MAX || picker->credit[i] > picker->credit[best])
            best = i;
    }
    if (best == SIZE_MAX)
        return NULL;
    picker->credit[best] -= total;
    return picker->set->members[best].member;
}

static struct member *longest_out(const struct picker *picker, struct member *const *tried, size_t tried_count)
{
    struct member *best = NULL;
    for (size_t i = 0; i < picker->set->count; i++) {
        struct member *member = picker->set->members[i].member;
        if (picker->set->members[i].weight && !among(member, tried, tried_count) &&
            (!best || member->out_until < best->out_until))
            best = member;
    }
    return best;
}

struct member *upstream_pick(struct upstream *upstream, size_t loop, struct member *const *tried, size_t tried_count,
                             int64_t now_ms)
{
    struct picker *picker = &upstream->pickers[loop];
    if (picker->version != atomic_load_explicit(&upstream->version, memory_order_acquire))
        renew(upstream, picker, loop);
    struct member *member;
    while ((member = next_in_turn(picker, tried, tried_count, now_ms))) {
        int64_t until = member->out_until;
        if (!until || take_trial(member, until, now_ms))
            return member_ref(member);
    }
    member = longest_out(picker, tried, tried_count);
    return member ? member_ref(member) : NULL;
}
