#include "member/checker.h"

#include "member/balancer.h"
#include "base/clock.h"
#include "member/discovery.h"
#include "must.h"
#include "member/health_probe.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    PROBES_MAX = 256, /* under way in this process */
    TICK_MS = 50,
    QUIET_MS = 1000,  /* where nobody is probed */
    TOUCH_MS = 10000, /* of vitals */
};

struct checker {
    struct discovery *discovery;
    struct probe *probes[PROBES_MAX];
    size_t count;
    int64_t touched_ms;
    int bell;
    pthread_t thread;
};

/* One round over all members. */
struct round {
    struct checker *checker;
    struct config *config;
    const struct kong_upstream *upstream;
    int64_t now_ms;
    size_t room; /* for probes of this upstream */
    bool touch;
};

static int64_t interval_of(const struct kong_upstream *upstream, const struct member *member)
{
    const struct kong_side *active = &upstream->health.active;
    return member->vitals->out_until ? active->unhealthy.interval_ms : active->healthy.interval_ms;
}

/* Whoever is first among the processes probes it. */
static bool take_turn(struct member *member, int64_t interval_ms, int64_t now_ms)
{
    int64_t due = member->vitals->due_ms;
    return due <= now_ms && atomic_compare_exchange_strong(&member->vitals->due_ms, &due, now_ms + interval_ms);
}

/* A member that has just been left out is not waited for as long as a healthy one. */
static void hurry(struct member *member, int64_t interval_ms, int64_t now_ms)
{
    int64_t due = member->vitals->due_ms;
    if (due > now_ms + interval_ms)
        atomic_compare_exchange_strong(&member->vitals->due_ms, &due, now_ms + interval_ms);
}

static void look_at(void *self, struct member *member, int64_t weight)
{
    struct round *round = self;
    struct checker *checker = round->checker;
    int64_t interval = interval_of(round->upstream, member);
    (void)weight;
    if (round->touch)
        vitals_touch(member->vitals, round->now_ms);
    if (!interval)
        return;
    hurry(member, interval, round->now_ms);
    if (!round->room || checker->count == PROBES_MAX || !take_turn(member, interval, round->now_ms))
        return;
    round->room--;
    checker->probes[checker->count++] = probe_create(config_ref(round->config), round->upstream, member_ref(member),
                                                     round->now_ms);
}

static size_t under_way(const struct checker *checker, const struct kong_upstream *upstream)
{
    size_t count = 0;
    for (size_t i = 0; i < checker->count; i++)
        count += probe_upstream(checker->probes[i]) == upstream;
    return count;
}

static bool is_probed(const struct kong_upstream *upstream)
{
    return upstream->health.active.healthy.interval_ms || upstream->health.active.unhealthy.interval_ms;
}

/* Begins what is due. false: nobody is to be probed at all. */
static bool begin_due(struct checker *checker, int64_t now_ms)
{
    struct round round = { .checker = checker, .config = discovery_config(checker->discovery), .now_ms = now_ms };
    bool any = false;
    round.touch = now_ms - checker->touched_ms >= TOUCH_MS;
    if (round.touch)
        checker->touched_ms = now_ms;
    for (const struct kong_upstream *one = round.config ? round.config->upstreams : NULL; one; one = one->next) {
        any |= is_probed(one);
        if (!round.touch && !is_probed(one))
            continue;
        size_t running = under_way(checker, one), most = (size_t)one->health.active.concurrency;
        round.upstream = one;
        round.room = running < most ? most - running : 0;
        upstream_each(one->live, look_at, &round);
    }
    config_unref(round.config);
    return any;
}

static void step_all(struct checker *checker, const struct pollfd *fds, int64_t now_ms)
{
    for (size_t i = checker->count; i-- > 0;) {
        struct probe *probe = checker->probes[i];
        if (!fds[i].revents && probe_fd(probe) >= 0 && now_ms < probe_deadline(probe))
            continue;
        if (!probe_step(probe, now_ms))
            continue;
        probe_destroy(probe);
        checker->probes[i] = checker->probes[--checker->count];
    }
}

/* false: the checker is to end. */
static bool wait(struct checker *checker, int ms)
{
    struct pollfd fds[PROBES_MAX + 1];
    for (size_t i = 0; i < checker->count; i++)
        fds[i] = (struct pollfd){ .fd = probe_fd(checker->probes[i]), .events = probe_wants(checker->probes[i]) };
    fds[checker->count] = (struct pollfd){ .fd = checker->bell, .events = POLLIN };
    size_t bell = checker->count;
    poll(fds, bell + 1, ms);
    if (fds[bell].revents)
        return false;
    step_all(checker, fds, clock_ms());
    return true;
}

static void *run(void *self)
{
    struct checker *checker = self;
    bool any;
    pthread_setname_np(pthread_self(), "checker");
    do
        any = begin_due(checker, clock_ms());
    while (wait(checker, any ? TICK_MS : QUIET_MS));
    while (checker->count)
        probe_destroy(checker->probes[--checker->count]);
    return NULL;
}

struct checker *checker_create(struct discovery *discovery)
{
    struct checker *checker = must(calloc(1, sizeof *checker));
    checker->discovery = discovery;
    checker->bell = eventfd(0, EFD_CLOEXEC);
    if (checker->bell < 0 || pthread_create(&checker->thread, NULL, run, checker) != 0)
        abort();
    return checker;
}

void checker_destroy(struct checker *checker)
{
    if (!checker)
        return;
    eventfd_write(checker->bell, 1);
    pthread_join(checker->thread, NULL);
    close(checker->bell);
    free(checker);
}
