#include "member/member.h"

#include "base/log.h"
#include "must.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_FIRST = 1000,
    BACKOFF_MAX = 30000,
    TRIAL_MS = 1000,   /* who tries says within this how it went, or another one tries */
    FORGET_MS = 10000, /* of the mean: Kong's decay */
};

/* Of HOST:PORT, [ADDRESS]:PORT. */
static char *host_of(const char *name)
{
    const char *colon = strrchr(name, ':'), *from = name + (*name == '[');
    size_t size = colon > from ? (size_t)(colon - from) : strlen(from);
    return must(strndup(from, size && from[size - 1] == ']' ? size - 1 : size));
}

struct member *member_create(const struct member_spec *spec)
{
    struct member *member = must(calloc(1, sizeof *member));
    atomic_init(&member->references, 1);
    member->name = must(strdup(spec->name));
    member->host = host_of(spec->name);
    member->id = must(strdup(spec->id ? spec->id : ""));
    member->target = must(strdup(spec->target ? spec->target : spec->name));
    member->address = *spec->address;
    member->ours = spec->ours;
    member->checks = *spec->checks;
    if (!spec->vitals)
        member->own = must(aligned_alloc(64, sizeof *member->own));
    if (member->own)
        memset(member->own, 0, sizeof *member->own);
    member->vitals = spec->vitals ? spec->vitals : member->own;
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
    free((char *)member->name);
    free((char *)member->host);
    free((char *)member->id);
    free((char *)member->target);
    free(member->own);
    free(member);
}

bool member_same(const struct member *a, const struct member *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->id, b->id) == 0 && a->ours == b->ours &&
           a->address.size == b->address.size && memcmp(&a->address.socket, &b->address.socket, a->address.size) == 0;
}

static void clear(_Atomic int *count)
{
    /* Read first: a line that all loops share is written only when it changes. */
    if (atomic_load_explicit(count, memory_order_relaxed))
        *count = 0;
}

/* In and out */

static void say(const struct member *member, const char *text)
{
    log_warn(NULL, text, "member", member->name, "id", member->id);
}

static void forget(struct tally *tally)
{
    clear(&tally->successes);
    clear(&tally->tcp);
    clear(&tally->timeouts);
    clear(&tally->http);
}

static void let_in(struct member *member, int64_t now_ms)
{
    struct vitals *vitals = member->vitals;
    clear(&vitals->backoff_ms);
    forget(&vitals->passive);
    forget(&vitals->active);
    vitals->on_trial = false;
    if (!atomic_exchange(&vitals->out_until, 0))
        return;
    vitals->fresh_ms = now_ms;
    say(member, "a member is healthy again");
}

static int64_t until_when(struct member *member, int64_t now_ms)
{
    struct vitals *vitals = member->vitals;
    int backoff = vitals->backoff_ms;
    backoff = !backoff ? BACKOFF_FIRST : backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : backoff * 2;
    vitals->backoff_ms = backoff;
    /* Kong's passive checks bring nobody back unless `successes` says so. */
    return member->checks.probed || !member->checks.passive.successes ? OUT_WAITING : now_ms + backoff;
}

static void leave_out(struct member *member, int64_t now_ms)
{
    int64_t before = member->vitals->out_until;
    if (before == OUT_HELD)
        return;
    int64_t until = until_when(member, now_ms);
    if (atomic_compare_exchange_strong(&member->vitals->out_until, &before, until) && !before)
        say(member, "a member is left out");
}

/* Passive */

static void count_failure(struct member *member, _Atomic int *count, int64_t limit, size_t lane, int64_t now_ms)
{
    struct vitals *vitals = member->vitals;
    atomic_fetch_add_explicit(&vitals->lanes[lane % VITALS_LANES].failed, 1, memory_order_relaxed);
    clear(&vitals->passive.successes);
    int failures = atomic_fetch_add(count, 1) + 1;
    if (!limit)
        return;
    /* One that is tried again has one chance; what was under way when it was left out says nothing new. */
    bool out = vitals->out_until;
    if (out ? atomic_exchange(&vitals->on_trial, false) : failures >= limit)
        leave_out(member, now_ms);
}

static void count_success(struct member *member, int64_t now_ms)
{
    struct vitals *vitals = member->vitals;
    clear(&vitals->passive.http);
    int64_t out = atomic_load_explicit(&vitals->out_until, memory_order_relaxed);
    if (!out || out == OUT_HELD || !member->checks.passive.successes)
        return;
    if (atomic_fetch_add(&vitals->passive.successes, 1) + 1 >= member->checks.passive.successes)
        let_in(member, now_ms);
    else if (atomic_exchange(&vitals->on_trial, false))
        atomic_compare_exchange_strong(&vitals->out_until, &out, now_ms);
}

static void take_status(struct member *member, int status, size_t lane, int64_t now_ms)
{
    const struct judge *judge = &member->checks.passive;
    struct vitals *vitals = member->vitals;
    atomic_fetch_add_explicit(&vitals->lanes[lane % VITALS_LANES].requests, 1, memory_order_relaxed);
    clear(&vitals->passive.tcp);
    clear(&vitals->passive.timeouts);
    if (judge->http && statuses_have(&judge->bad, status))
        count_failure(member, &vitals->passive.http, judge->http, lane, now_ms);
    else if (statuses_have(&judge->good, status))
        count_success(member, now_ms);
}

void member_report(struct member *member, enum outcome outcome, int status, size_t lane, int64_t now_ms)
{
    const struct judge *judge = &member->checks.passive;
    struct tally *tally = &member->vitals->passive;
    switch (outcome) {
    case OUTCOME_CONNECT_FAILED:
    case OUTCOME_BROKEN:
        count_failure(member, &tally->tcp, judge->tcp, lane, now_ms);
        break;
    case OUTCOME_TIMED_OUT:
        count_failure(member, &tally->timeouts, judge->timeouts, lane, now_ms);
        break;
    case OUTCOME_STATUS:
        take_status(member, status, lane, now_ms);
    }
}

/* Active */

static void probe_failed(struct member *member, _Atomic int *count, int64_t limit, int64_t now_ms)
{
    clear(&member->vitals->active.successes);
    if (atomic_fetch_add(count, 1) + 1 >= limit && limit)
        leave_out(member, now_ms);
}

static void probe_succeeded(struct member *member, int64_t now_ms)
{
    struct tally *tally = &member->vitals->active;
    int64_t limit = member->checks.active.successes;
    clear(&tally->tcp);
    clear(&tally->timeouts);
    clear(&tally->http);
    if (!member->vitals->out_until || !limit)
        return;
    if (atomic_fetch_add(&tally->successes, 1) + 1 < limit)
        return;
    let_in(member, now_ms);
}

void member_probed(struct member *member, enum outcome outcome, int status, int64_t now_ms)
{
    const struct judge *judge = &member->checks.active;
    struct tally *tally = &member->vitals->active;
    if (outcome == OUTCOME_TIMED_OUT)
        probe_failed(member, &tally->timeouts, judge->timeouts, now_ms);
    else if (outcome != OUTCOME_STATUS)
        probe_failed(member, &tally->tcp, judge->tcp, now_ms);
    else if (!status || statuses_have(&judge->good, status))
        probe_succeeded(member, now_ms);
    else if (statuses_have(&judge->bad, status))
        probe_failed(member, &tally->http, judge->http, now_ms);
}

void member_hold(struct member *member, bool healthy, int64_t now_ms)
{
    if (healthy) {
        let_in(member, now_ms);
    } else if (atomic_exchange(&member->vitals->out_until, OUT_HELD) != OUT_HELD) {
        clear(&member->vitals->active.successes);
        say(member, "a member is left out: the operator says so");
    }
}

/* Latency: a mean that takes a worse answer at once and forgets it in ten seconds. */
void member_spent(struct member *member, int64_t us, int64_t now_ms)
{
    int64_t mean = atomic_load_explicit(&member->spent_us, memory_order_relaxed);
    int64_t since = now_ms - atomic_load_explicit(&member->spent_at, memory_order_relaxed);
    double keep = mean && us < mean ? exp(-(double)(since > 0 ? since : 1) / FORGET_MS) : 0;
    int64_t next = (int64_t)((double)mean * keep + (double)us * (1 - keep));
    atomic_store_explicit(&member->spent_us, next > 0 ? next : 1, memory_order_relaxed);
    atomic_store_explicit(&member->spent_at, now_ms, memory_order_relaxed);
}

bool member_usable(const struct member *member, int64_t now_ms)
{
    int64_t until = atomic_load_explicit(&member->vitals->out_until, memory_order_relaxed);
    return !until || until <= now_ms;
}

/* While one request tries a member that was out, the others leave it alone. */
bool member_try(struct member *member, int64_t now_ms)
{
    int64_t until = member->vitals->out_until;
    if (!until)
        return true;
    if (until > now_ms || !atomic_compare_exchange_strong(&member->vitals->out_until, &until, now_ms + TRIAL_MS))
        return false;
    member->vitals->on_trial = true;
    return true;
}

static bool judged(const struct judge *judge)
{
    return judge->tcp || judge->timeouts || judge->http;
}

const char *member_state(const struct member *member)
{
    if (member->vitals->out_until)
        return "UNHEALTHY";
    return judged(&member->checks.passive) || judged(&member->checks.active) ? "HEALTHY" : "HEALTHCHECKS_OFF";
}

int64_t member_requests(const struct member *member)
{
    int64_t sum = 0;
    for (int i = 0; i < VITALS_LANES; i++)
        sum += member->vitals->lanes[i].requests;
    return sum;
}

int64_t member_failed(const struct member *member)
{
    int64_t sum = 0;
    for (int i = 0; i < VITALS_LANES; i++)
        sum += member->vitals->lanes[i].failed;
    return sum;
}
