#include "balancer.h"
#include "netmask.h"

#include <criterion/criterion.h>
#include <string.h>

static struct upstream *upstream;
static const struct kong_health health = { .tcp_failures = 3, .timeouts = 3, .successes = 1 };

static struct weighted row(const char *name, int64_t weight)
{
    struct address address;
    cr_assert(hostport_parse(name, &address));
    return (struct weighted){ member_create(name, "", &address, false, &health), weight };
}

static void setup(void)
{
    upstream = upstream_create("u", 2);
}

static void teardown(void)
{
    upstream_destroy(upstream);
}

static struct member *pick(int64_t now_ms)
{
    /* The set keeps it alive. */
    struct member *member = upstream_pick(upstream, 0, NULL, 0, now_ms);
    member_unref(member);
    return member;
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
    upstream_set(upstream, rows, 3);
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
    upstream_set(upstream, rows, 2);
    struct member *first = upstream_pick(upstream, 0, NULL, 0, 0);
    struct member *second = upstream_pick(upstream, 0, &first, 1, 0);
    cr_expect_neq(first, second);
    struct member *both[] = { first, second };
    cr_expect_null(upstream_pick(upstream, 0, both, 2, 0));
    member_unref(first);
    member_unref(second);
}

Test(balancer, leaves_out_who_fails_and_tries_again)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    upstream_set(upstream, rows, 2);
    for (int i = 0; i < 2; i++)
        member_report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    cr_expect_eq(count(bad->name, 10, 1000), 5);
    member_report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    cr_expect_str_eq(member_state(bad, 1500), "UNHEALTHY");
    cr_expect_eq(count(bad->name, 10, 1500), 0);
    /* After a second one request tries it, and only one. */
    cr_expect_eq(count(bad->name, 10, 2001), 1);
    member_report(bad, OUTCOME_CONNECT_FAILED, 0, 2001);
    cr_expect_eq(count(bad->name, 10, 3500), 0);
    cr_expect_eq(count(bad->name, 10, 4002), 1);
    member_report(bad, OUTCOME_STATUS, 200, 4002);
    cr_expect_str_eq(member_state(bad, 4003), "HEALTHY");
    cr_expect_eq(count(bad->name, 10, 4003), 5);
}

Test(balancer, asks_somebody_even_when_all_are_out)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    upstream_set(upstream, rows, 2);
    for (int i = 0; i < 3; i++) {
        member_report(rows[0].member, OUTCOME_CONNECT_FAILED, 0, 1000);
        member_report(rows[1].member, OUTCOME_TIMED_OUT, 0, 1100);
    }
    cr_expect_eq(pick(1200), rows[0].member);
}

Test(balancer, keeps_health_when_the_set_changes)
{
    struct weighted rows[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1) };
    struct member *bad = rows[0].member;
    upstream_set(upstream, rows, 2);
    for (int i = 0; i < 3; i++)
        member_report(bad, OUTCOME_CONNECT_FAILED, 0, 1000);
    struct weighted again[] = { row("127.0.0.1:1", 1), row("127.0.0.1:2", 1), row("127.0.0.1:3", 1) };
    upstream_set(upstream, again, 3);
    cr_expect_eq(count("127.0.0.1:1", 30, 1500), 0);
    cr_expect_eq(count("127.0.0.1:3", 30, 1500), 15);
}

Test(balancer, counts_statuses_only_where_told)
{
    int64_t statuses[] = { 500 };
    struct kong_health strict = health;
    strict.http_failures = 2;
    strict.failure_statuses = (struct integers){ statuses, 1 };
    struct address address;
    cr_assert(hostport_parse("127.0.0.1:1", &address));
    struct weighted rows[] = { { member_create("127.0.0.1:1", "", &address, false, &strict), 1 },
                               row("127.0.0.1:2", 1) };
    upstream_set(upstream, rows, 2);
    for (int i = 0; i < 3; i++)
        for (int m = 0; m < 2; m++)
            member_report(rows[m].member, OUTCOME_STATUS, 500, 1000);
    cr_expect_eq(count("127.0.0.1:1", 10, 1001), 0);
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
