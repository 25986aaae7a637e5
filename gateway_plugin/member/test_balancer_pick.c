#include "member/balancer.h"
#include "client/netmask.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Ways to pick: test_balancer.c has who may be picked at all. */

static struct upstream *upstream;

static struct weighted row(const char *name, int64_t weight)
{
    static const struct checks checks;
    struct address address;
    cr_assert(hostport_parse(name, &address));
    struct member_spec spec = { .name = name, .address = &address, .checks = &checks };
    return (struct weighted){ member_create(&spec), weight };
}

static struct weighted numbered(int number, int64_t weight)
{
    char name[32];
    snprintf(name, sizeof name, "127.0.0.1:%d", number);
    return row(name, weight);
}

static void setup(void)
{
    upstream = upstream_create("u", 1);
}

static void teardown(void)
{
    upstream_unref(upstream);
}

TestSuite(pick, .init = setup, .fini = teardown);

static struct member *pick_as(const struct wish *wish)
{
    struct member *member = upstream_pick(upstream, wish);
    member_unref(member);
    return member;
}

static const struct balance hashing = { .algorithm = ALGORITHM_HASH, .slots = 10000 };

static struct member *pick_hash(uint64_t hash)
{
    return pick_as(&(struct wish){ .hashed = true, .hash = hash });
}

Test(pick, by_hash_the_same_always_gets_the_same)
{
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &hashing, rows, 3);
    for (uint64_t hash = 0; hash < 100; hash++)
        cr_expect_eq(pick_hash(hash), pick_hash(hash));
}

Test(pick, by_hash_shares_by_weight)
{
    struct weighted rows[] = { numbered(1, 100), numbered(2, 300), numbered(3, 0) };
    upstream_set(upstream, &hashing, rows, 3);
    int of[3] = { 0 };
    for (uint64_t hash = 0; hash < 20000; hash++)
        for (int i = 0; i < 3; i++)
            of[i] += pick_hash(hash) == rows[i].member;
    cr_expect(of[0] > 4400 && of[0] < 5600, "%d of 20000", of[0]);
    cr_expect(of[1] > 14400 && of[1] < 15600, "%d of 20000", of[1]);
    cr_expect_eq(of[2], 0);
}

/* Of 5,000 hashes: whose each is now, by port. */
static void map(int out[5000])
{
    for (uint64_t hash = 0; hash < 5000; hash++)
        out[hash] = atoi(strchr(pick_hash(hash)->name, ':') + 1);
}

Test(pick, by_hash_a_member_that_comes_or_goes_moves_only_its_own)
{
    static int before[5000], with[5000], after[5000];
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &hashing, rows, 3);
    map(before);
    struct weighted more[] = { numbered(2, 100), numbered(1, 100), numbered(4, 100), numbered(3, 100) };
    upstream_set(upstream, &hashing, more, 4);
    map(with);
    int moved = 0;
    for (int i = 0; i < 5000; i++) {
        moved += with[i] != before[i];
        cr_assert(with[i] == before[i] || with[i] == 4, "%d went from %d to %d", i, before[i], with[i]);
    }
    cr_expect(moved > 1000 && moved < 1500, "%d of 5000 moved", moved);
    struct weighted again[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &hashing, again, 3);
    map(after);
    cr_expect_arr_eq(after, before, sizeof after);
}

Test(pick, by_hash_what_was_of_one_that_is_out_is_spread)
{
    static int before[5000], out[5000];
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &hashing, rows, 3);
    map(before);
    member_hold(rows[0].member, false, 0);
    map(out);
    int of[4] = { 0 };
    for (int i = 0; i < 5000; i++) {
        cr_assert(before[i] == 1 ? out[i] != 1 : out[i] == before[i]);
        of[out[i]] += before[i] == 1;
    }
    cr_expect(of[2] > 600 && of[3] > 600, "%d and %d", of[2], of[3]);
}

Test(pick, by_hash_without_a_hash_takes_turns)
{
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100) };
    upstream_set(upstream, &hashing, rows, 2);
    struct wish wish = { .hashed = false };
    cr_expect_neq(pick_as(&wish), pick_as(&wish));
}

Test(pick, by_connections_the_least_busy)
{
    const struct balance least = { .algorithm = ALGORITHM_LEAST };
    struct weighted rows[] = { numbered(1, 100), numbered(2, 200), numbered(3, 100) };
    upstream_set(upstream, &least, rows, 3);
    rows[0].member->active = 2;
    rows[1].member->active = 4;
    rows[2].member->active = 1;
    cr_expect_eq(pick_as(&(struct wish){ 0 }), rows[2].member);
    rows[2].member->active = 3;
    /* 3/100, 5/200, 4/100 */
    cr_expect_eq(pick_as(&(struct wish){ 0 }), rows[1].member);
}

Test(pick, by_connections_equals_are_asked_alike)
{
    const struct balance least = { .algorithm = ALGORITHM_LEAST };
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &least, rows, 3);
    int of[3] = { 0 };
    for (int n = 0; n < 3000; n++)
        for (int i = 0; i < 3; i++)
            of[i] += pick_as(&(struct wish){ 0 }) == rows[i].member;
    for (int i = 0; i < 3; i++)
        cr_expect(of[i] > 800 && of[i] < 1200, "%d of 3000", of[i]);
}

Test(pick, by_latency_the_faster_of_two)
{
    const struct balance latency = { .algorithm = ALGORITHM_LATENCY };
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100), numbered(3, 100) };
    upstream_set(upstream, &latency, rows, 3);
    /* One that has not answered yet is asked, once. */
    member_spent(rows[0].member, 1000, 0);
    member_spent(rows[1].member, 50000, 0);
    rows[2].member->active = 1;
    int of[3] = { 0 };
    for (int n = 0; n < 3000; n++) {
        const struct member *picked = pick_as(&(struct wish){ 0 });
        for (int i = 0; i < 3; i++)
            of[i] += picked == rows[i].member;
    }
    cr_expect(of[0] > 1800 && of[1] > 800 && of[2] == 0, "%d %d %d", of[0], of[1], of[2]);
    rows[2].member->active = 0;
    of[2] = 0;
    for (int n = 0; n < 100; n++)
        of[2] += pick_as(&(struct wish){ 0 }) == rows[2].member;
    cr_expect(of[2] > 40, "%d", of[2]);
}

struct swing {
    struct member *member;
    atomic_bool over;
};

static void *swing(void *self)
{
    struct swing *swing = self;
    while (!swing->over) {
        swing->member->vitals->out_until = OUT_WAITING;
        swing->member->vitals->out_until = 0;
    }
    return NULL;
}

/* As other loops and processes leave members out and let them in. */
Test(pick, by_latency_a_member_that_leaves_while_it_is_looked_at)
{
    const struct balance latency = { .algorithm = ALGORITHM_LATENCY };
    struct weighted rows[] = { numbered(1, 100) };
    struct swing other = { .member = rows[0].member };
    pthread_t thread;
    upstream_set(upstream, &latency, rows, 1);
    cr_assert_eq(pthread_create(&thread, NULL, swing, &other), 0);
    for (int n = 0; n < 1000000; n++)
        cr_assert_eq(pick_as(&(struct wish){ 0 }), rows[0].member, "in or out, it is the only one");
    other.over = true;
    pthread_join(thread, NULL);
}

Test(pick, by_latency_forgets_in_seconds)
{
    struct weighted one = numbered(1, 100);
    member_spent(one.member, 100000, 0);
    cr_expect_eq(one.member->spent_us, 100000);
    member_spent(one.member, 1000, 1);
    cr_expect_gt(one.member->spent_us, 95000);
    member_spent(one.member, 1000, 60000);
    cr_expect_lt(one.member->spent_us, 2000);
    member_spent(one.member, 300000, 60001);
    cr_expect_eq(one.member->spent_us, 300000, "a worse one counts at once");
    member_unref(one.member);
}

Test(pick, a_slow_start_begins_with_a_tenth)
{
    const struct balance slow = { .algorithm = ALGORITHM_TURNS, .slow_start_ms = 10000 };
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100) };
    upstream_set(upstream, &slow, rows, 2);
    struct member *fresh = rows[1].member;
    fresh->vitals->fresh_ms = 1000000;
    static const struct {
        int64_t now_ms;
        int least, most;
    } cases[] = { { 1000000, 80, 100 }, { 1005000, 340, 370 }, { 1010000, 490, 510 }, { 2000000, 490, 510 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int of = 0;
        for (int n = 0; n < 1000; n++)
            of += pick_as(&(struct wish){ .now_ms = cases[i].now_ms }) == fresh;
        cr_expect(of >= cases[i].least && of <= cases[i].most, "%d of 1000 at %d", of, (int)cases[i].now_ms);
    }
}

Test(pick, who_comes_back_starts_slowly_and_who_was_there_at_first_does_not)
{
    const struct balance slow = { .algorithm = ALGORITHM_TURNS, .slow_start_ms = 10000 };
    struct weighted rows[] = { numbered(1, 100), numbered(2, 100) };
    upstream_set(upstream, &slow, rows, 2);
    cr_expect_eq(rows[0].member->vitals->fresh_ms, 0);
    member_hold(rows[0].member, false, 5000);
    member_hold(rows[0].member, true, 6000);
    cr_expect_eq(rows[0].member->vitals->fresh_ms, 6000);
}
