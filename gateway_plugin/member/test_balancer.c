#include "member/balancer.h"
#include "client/netmask.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct upstream *upstream;
static struct checks checks; /* as where a file says nothing */

static struct weighted row(const char *name, int64_t weight)
{
    struct address address;
    cr_assert(hostport_parse(name, &address));
    struct member_spec spec = { .name = name, .address = &address, .checks = &checks };
    return (struct weighted){ member_create(&spec), weight };
}

static void setup(void)
{
    checks = (struct checks){ .passive = { .tcp = 3, .timeouts = 3, .successes = 1 } };
    memset(&checks.passive.good, 0xff, sizeof checks.passive.good);
    upstream = upstream_create("u", 2);
}

static void teardown(void)
{
    upstream_unref(upstream);
}

static void set_as(const struct balance *balance, const struct weighted *rows, size_t count)
{
    upstream_set(upstream, balance, rows, count);
}

static void set(const struct weighted *rows, size_t count)
{
    set_as(NULL, rows, count);
}

static void report(struct member *member, enum outcome outcome, int status, int64_t now_ms)
{
    member_report(member, outcome, status, 0, now_ms);
}

/* Without a reference: the set keeps it alive. */
static struct member *pick_as(const struct wish *wish)
{
    struct member *member = upstream_pick(upstream, wish);
    member_unref(member);
    return member;
}

static struct member *pick(int64_t now_ms)
{
    return pick_as(&(struct wish){ .now_ms = now_ms });
}

static int count(const char *name, int picks, int64_t now_ms)
{
    int found = 0;
    for (int i = 0; i < picks; i++)
        found += strcmp(pick(now_ms)->name, name) == 0;
    return found;
}

TestSuite(balancer, .init = setup, .fini = teardown);

Test(balancer, has_nobody_at_first)
{
    cr_expect_null(pick(0));
}

Test(balancer, shares_by_weight_and_smoothly)
{
    struct weighted rows[] = { row("127.0.0.1:1", 100), row("127.0.0.1:2", 300), row("127.0.0.1:3", 0) };
    set(rows, 3);
    cr_expect_eq(count("127.0.0.1:2", 400, 0), 300);
    cr_expect_eq(count("127.0.0.1:3", 400, 0), 0);
    int run = 0, longest = 0;
    for (int i = 0; i < 40; i++) {
        run = strcmp(pick(0)->name, "127.0.0.1:2") == 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    cr_expect_eq(longest, 3);
}

Test(balancer, skips_those_that_were_tried)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    set(rows, 2);
    struct member *both[] = { pick(0), NULL };
    both[1] = pick_as(&(struct wish){ .tried = both, .tried_count = 1 });
    cr_expect_neq(both[0], both[1]);
    cr_expect_null(pick_as(&(struct wish){ .tried = both, .tried_count = 2 }));
}

Test(balancer, leaves_out_who_fails_and_tries_again)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    set(rows, 2);
    for (int i = 0; i < 2; i++)
        report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    cr_expect_eq(count(bad->name, 10, 1000), 5);
    report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    cr_expect_str_eq(member_state(bad), "UNHEALTHY");
    cr_expect_eq(count(bad->name, 10, 1500), 0);
    /* After a second one request tries it, and only one. */
    cr_expect_eq(count(bad->name, 10, 2001), 1);
    report(bad, OUTCOME_CONNECT_FAILED, 0, 2001);
    cr_expect_eq(count(bad->name, 10, 3500), 0);
    cr_expect_eq(count(bad->name, 10, 4002), 1);
    report(bad, OUTCOME_STATUS, 200, 4002);
    cr_expect_str_eq(member_state(bad), "HEALTHY");
    cr_expect_eq(count(bad->name, 10, 4003), 5);
}

Test(balancer, asks_somebody_even_when_all_are_out)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    set(rows, 2);
    for (int i = 0; i < 3; i++) {
        report(rows[0].member, OUTCOME_CONNECT_FAILED, 0, 1000);
        report(rows[1].member, OUTCOME_TIMED_OUT, 0, 1100);
    }
    cr_expect_eq(pick(1200), rows[0].member);
}

Test(balancer, keeps_health_when_the_set_changes)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    set(rows, 2);
    for (int i = 0; i < 3; i++)
        report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    struct weighted again[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1), row("127.0.0.1:3", 1) };
    set(again, 3);
    cr_expect_eq(count("127.0.0.1:1", 30, 1500), 0);
    cr_expect_eq(count("127.0.0.1:3", 30, 1500), 15);
}

Test(balancer, counts_statuses_only_where_told)
{
    struct weighted lax = row("127.0.0.1:2", 1);
    checks.passive.http = 2;
    checks.passive.bad.bits[500 / 64] = 1ULL << 500 % 64;
    struct weighted rows[] = { row("127.0.0.1:1", 1), lax };
    set(rows, 2);
    for (int i = 0; i < 3; i++)
        for (int m = 0; m < 2; m++)
            report(rows[m].member, OUTCOME_STATUS, 500, 1000);
    cr_expect_eq(count("127.0.0.1:1", 10, 1001), 0);
}

/* What else brings a member out and in */

Test(balancer, one_that_is_tried_goes_well_as_often_as_it_must)
{
    checks.passive.successes = 2;
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    set(rows, 2);
    for (int i = 0; i < 3; i++)
        report(bad, OUTCOME_TIMED_OUT, 0, 1000);
    cr_expect_eq(count(bad->name, 10, 2001), 1);
    report(bad, OUTCOME_STATUS, 200, 2002);
    cr_expect_str_eq(member_state(bad), "UNHEALTHY");
    cr_expect_eq(count(bad->name, 10, 2003), 1, "the next one may try at once");
    report(bad, OUTCOME_STATUS, 200, 2004);
    cr_expect_str_eq(member_state(bad), "HEALTHY");
}

Test(balancer, what_was_under_way_when_it_was_left_out_says_nothing_new)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    set(rows, 2);
    for (int i = 0; i < 50; i++)
        report(rows[0].member, OUTCOME_TIMED_OUT, 0, 1000);
    cr_expect_eq(count("127.0.0.1:1", 10, 2001), 1);
}

Test(balancer, without_successes_only_a_word_brings_it_back)
{
    checks.passive.successes = 0;
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    set(rows, 2);
    for (int i = 0; i < 3; i++)
        report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    cr_expect_eq(count(bad->name, 10, 1000000), 0);
    member_hold(bad, true, 1000000);
    cr_expect_eq(count(bad->name, 10, 1000000), 5);
}

Test(balancer, a_status_in_neither_list_says_nothing)
{
    checks.passive = (struct judge){ .http = 2, .successes = 1 };
    checks.passive.bad.bits[500 / 64] = 1ULL << 500 % 64;
    checks.passive.good.bits[200 / 64] = 1ULL << 200 % 64;
    struct weighted rows[] = { row("127.0.0.1:1", 1) };
    set(rows, 1);
    report(rows[0].member, OUTCOME_STATUS, 500, 0);
    report(rows[0].member, OUTCOME_STATUS, 404, 0);
    report(rows[0].member, OUTCOME_STATUS, 500, 0);
    cr_expect_str_eq(member_state(rows[0].member), "UNHEALTHY");
    report(rows[0].member, OUTCOME_STATUS, 404, 0);
    cr_expect_str_eq(member_state(rows[0].member), "UNHEALTHY");
    report(rows[0].member, OUTCOME_STATUS, 200, 0);
    cr_expect_str_eq(member_state(rows[0].member), "HEALTHY");
}

Test(balancer, the_operator_takes_out_and_puts_back)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    set(rows, 2);
    member_hold(rows[0].member, false, 0);
    cr_expect_eq(count("127.0.0.1:1", 10, 1000000), 0);
    report(rows[0].member, OUTCOME_STATUS, 200, 0);
    cr_expect_str_eq(member_state(rows[0].member), "UNHEALTHY");
    member_hold(rows[1].member, false, 0);
    cr_expect_null(pick(1000000), "who was taken out by hand is not asked, even when all are");
    member_hold(rows[0].member, true, 0);
    cr_expect_eq(pick(0), rows[0].member);
}

Test(balancer, says_when_nobody_looks)
{
    checks.passive = (struct judge){ 0 };
    struct weighted rows[] = { row("127.0.0.1:1", 1) };
    set(rows, 1);
    for (int i = 0; i < 10; i++)
        report(rows[0].member, OUTCOME_CONNECT_FAILED, 0, 0);
    cr_expect_str_eq(member_state(rows[0].member), "HEALTHCHECKS_OFF");
}

Test(balancer, probes_take_out_and_bring_back)
{
    checks.active = (struct judge){ .http = 2, .tcp = 1, .timeouts = 3, .successes = 2 };
    checks.active.bad.bits[500 / 64] = 1ULL << 500 % 64;
    checks.active.good.bits[200 / 64] = 1ULL << 200 % 64;
    checks.probed = true;
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *one = rows[0].member;
    static const struct {
        enum outcome outcome;
        int status, times;
    } ways[] = { { OUTCOME_STATUS, 500, 2 }, { OUTCOME_CONNECT_FAILED, 0, 1 }, { OUTCOME_TIMED_OUT, 0, 3 } };
    set(rows, 2);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (int n = 0; n < ways[i].times; n++) {
            cr_expect_str_eq(member_state(one), "HEALTHY");
            member_probed(one, ways[i].outcome, ways[i].status, 0);
        }
        cr_expect_str_eq(member_state(one), "UNHEALTHY");
        cr_expect_eq(count(one->name, 10, 1000000), 0, "time alone does not bring it back");
        member_probed(one, OUTCOME_STATUS, 200, 0);
        cr_expect_str_eq(member_state(one), "UNHEALTHY");
        member_probed(one, OUTCOME_STATUS, 200, 0);
    }
    cr_expect_str_eq(member_state(one), "HEALTHY");
}

Test(balancer, who_is_put_back_begins_anew)
{
    checks.active = (struct judge){ .http = 2, .successes = 1 };
    checks.active.bad.bits[500 / 64] = 1ULL << 500 % 64;
    struct weighted rows[] = { row("127.0.0.1:1", 1) };
    set(rows, 1);
    for (int i = 0; i < 2; i++)
        member_probed(rows[0].member, OUTCOME_STATUS, 500, 0);
    cr_expect_str_eq(member_state(rows[0].member), "UNHEALTHY");
    member_hold(rows[0].member, true, 0);
    member_probed(rows[0].member, OUTCOME_STATUS, 500, 0);
    cr_expect_str_eq(member_state(rows[0].member), "HEALTHY", "two in a row take it out, not one");
}

Test(balancer, below_the_threshold_nobody_is_asked)
{
    struct balance balance = { .algorithm = ALGORITHM_TURNS, .threshold = 60 };
    struct weighted rows[] = { row("127.0.0.1:1", 50), row("127.0.0.1:2", 30), row("127.0.0.1:3", 20) };
    set_as(&balance, rows, 3);
    member_hold(rows[2].member, false, 0);
    cr_expect_not_null(pick(0));
    member_hold(rows[1].member, false, 0);
    cr_expect_null(pick(0));
    member_hold(rows[2].member, true, 0);
    cr_expect_not_null(pick(0));
}

/* Where vitals are shared */

Test(vitals, are_one_for_all_who_ask_and_are_kept_for_a_minute)
{
    struct vitals_table *table = vitals_table_create();
    struct vitals *one = vitals_get(table, "u 127.0.0.1:1", 1000);
    cr_assert_not_null(one);
    cr_expect_eq(one, vitals_get(table, "u 127.0.0.1:1", 2000));
    cr_expect_neq(one, vitals_get(table, "v 127.0.0.1:1", 2000));
    one->out_until = 5;
    cr_expect_eq(vitals_get(table, "u 127.0.0.1:1", 60000)->out_until, 5);
    cr_expect_eq(vitals_get(table, "u 127.0.0.1:1", 130000)->out_until, 0, "forgotten");
    vitals_table_destroy(table);
}

Test(vitals, are_bounded)
{
    struct vitals_table *table = vitals_table_create();
    char name[32];
    int refused = 0;
    for (int i = 0; i < 8192; i++) {
        snprintf(name, sizeof name, "u %d", i);
        refused += !vitals_get(table, name, 1000);
    }
    cr_expect_geq(refused, 4096);
    refused = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "later %d", i);
        refused += !vitals_get(table, name, 100000);
    }
    cr_expect_eq(refused, 0, "old places are given away");
    vitals_table_destroy(table);
}

Test(netmask, reads_addresses_and_nets)
{
    struct address address;
    struct nets nets;
    cr_expect(nets_parse("127.0.0.0/8,10.1.2.3,fd00::/8", &nets));
    static const struct {
        const char *text;
        bool held;
    } cases[] = { { "127.9.9.9:1", true },  { "128.0.0.1:1", false }, { "10.1.2.3:80", true },
                  { "10.1.2.4:80", false }, { "[fd12::1]:80", true }, { "[fe80::1]:80", false } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_assert(hostport_parse(cases[i].text, &address), "%s", cases[i].text);
        cr_expect_eq(nets_hold(&nets, &address), cases[i].held, "%s", cases[i].text);
    }
    static const char *const bad[] = { "x:1",    "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                                       "::1:80", "[::1]",     ":80" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(hostport_parse(bad[i], &address), "%s", bad[i]);
    cr_expect_not(nets_parse("10.0.0.0/33", &nets));
    cr_expect_not(nets_parse("x", &nets));
}
