#include "auth_fixture.h"
#include "base/calm_clock.h"
#include "base/text.h"
#include "store/redis_fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct redis_server redis;

static void start_impatient(void)
{
    static char url[64];
    signal(SIGPIPE, SIG_IGN);
    redis_server_start(&redis, NULL);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", redis.port);
    fixture_options.redis_url = url;
    auth_start();
}

/* However busy the machine is, a failure is counted. */
static void start(void)
{
    fixture_options.redis_ms = 10000;
    start_impatient();
}

static void stop(void)
{
    auth_stop();
    redis_server_kill(&redis);
}

TestSuite(lockout, .init = start, .fini = stop, .timeout = 180);
TestSuite(lockout_without, .init = start_impatient, .fini = stop, .timeout = 180);
TestSuite(lockout_alone, .init = auth_start, .fini = auth_stop, .timeout = 180);

static struct answer try_from(const char *peer, const char *email, const char *password)
{
    return CALL(POST, "/signin/basic", format("{\"email\":\"%s\",\"password\":\"%s\"}", email, password), .peer = peer);
}

static int fail_from(const char *peer, const char *email)
{
    return try_from(peer, email, "wrong horse").status;
}

static int right_from(const char *peer, const char *email)
{
    return try_from(peer, email, "correct horse").status;
}

static int retry_after(const struct answer *answer)
{
    for (const struct pair *header = answer->headers; header && header->name; header++)
        if (text_equal(header->name, "Retry-After"))
            return atoi(header->value);
    return -1;
}

static void expect_failures(const char *peer, const char *email, int count)
{
    for (int i = 0; i < count; i++)
        cr_assert_eq(fail_from(peer, email), 401, "the %d. wrong password", i + 1);
}

static void fail_of_many(const char *peer, int from, int until)
{
    for (int i = from; i < until; i++)
        cr_assert_eq(fail_from(peer, format("person%d@example.com", i)), 401, "failure %d", i);
}

/* As if this time had passed since the last failures on all accounts. Less than nothing: a busy machine has as much
 * more to ask in, before a delay is over. */
static void pass(int seconds)
{
    static const char script[] = /* tabs: one word of a command */
        "EVAL for\t_,k\tin\tipairs(redis.call('KEYS','lock:[he]*'))do\tredis.call('HINCRBY',k,'t',%d000)end\treturn(1) 0";
    freeReplyObject(redis_server_ask(&redis, NULL, "0", format(script, -seconds)));
}

enum { HELD_S = 100 };

Test(lockout, begins_with_the_fifth_wrong_password)
{
    struct person ann = signup("ann"), bob = signup("bob");
    expect_failures("192.0.2.7", ann.email, 5);
    pass(-HELD_S);
    struct answer right = try_from("192.0.2.7", ann.email, "correct horse");
    cr_assert_eq(right.status, 429, "%s", right.text);
    cr_expect(retry_after(&right) > HELD_S - 60 && retry_after(&right) <= HELD_S + 1, "%d", retry_after(&right));
    cr_expect_str_eq(text_at(right.body, "code"), "10001");
    cr_expect_eq(fail_from("192.0.2.250", ann.email), 429, "the same network");
    cr_expect_eq(fail_from("192.0.2.7", "ANN@Example.com"), 429, "the same account");
    cr_expect_eq(right_from("192.0.3.7", ann.email), 200, "another network");
    cr_expect_eq(right_from("192.0.2.7", bob.email), 200, "another account");
    cr_expect_eq(lockout_wrong(fixture.parts.signin.lockout), 5);
    cr_expect_eq(lockout_refused(fixture.parts.signin.lockout), 3);
}

Test(lockout, doubles_to_a_quarter_of_an_hour)
{
    static const int delays[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900 };
    struct person ann = signup("ann");
    expect_failures("192.0.2.7", ann.email, 4);
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        cr_assert_eq(fail_from("192.0.2.7", ann.email), 401, "failure %zu", i + 5);
        pass(-HELD_S);
        struct answer refused = try_from("192.0.2.7", ann.email, "correct horse");
        cr_assert_eq(refused.status, 429, "%d s", delays[i]);
        int told = retry_after(&refused) - HELD_S;
        cr_assert(told <= delays[i] && told > delays[i] - 60, "%d s told as %d", delays[i], told);
        pass(HELD_S + delays[i]);
    }
    cr_expect_eq(right_from("192.0.2.7", ann.email), 200, "nobody is locked out for good");
}

Test(lockout, counts_no_try_that_it_refuses)
{
    struct person ann = signup("ann");
    expect_failures("192.0.2.7", ann.email, 5);
    pass(-HELD_S);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(fail_from("192.0.2.7", ann.email), 429);
    struct answer refused = try_from("192.0.2.7", ann.email, "correct horse");
    cr_expect_leq(retry_after(&refused), HELD_S + 1, "twenty more would be 900 s");
}

Test(lockout, ends_with_the_right_password)
{
    struct person ann = signup("ann");
    for (int i = 0; i < 3; i++) {
        expect_failures("192.0.2.7", ann.email, 4);
        cr_assert_eq(right_from("192.0.2.7", ann.email), 200);
    }
}

Test(lockout, is_the_same_without_an_account)
{
    expect_failures("192.0.2.7", "nobody@example.com", 5);
    pass(-HELD_S);
    struct answer refused = try_from("192.0.2.7", "nobody@example.com", "correct horse");
    cr_expect_eq(refused.status, 429);
    cr_expect(retry_after(&refused) > HELD_S - 60 && retry_after(&refused) <= HELD_S + 1);
}

Test(lockout, knows_networks_of_ipv6)
{
    struct person ann = signup("ann");
    expect_failures("2001:db8::1", ann.email, 5);
    pass(-HELD_S);
    cr_expect_eq(fail_from("2001:db8::ffff:1", ann.email), 429, "the same /64");
    cr_expect_eq(fail_from("2001:db8:0:1::1", ann.email), 401, "another /64");
}

Test(lockout, refuses_an_address_after_fifty_failures)
{
    struct person ann = signup("ann");
    fail_of_many("192.0.2.7", 0, 50);
    struct answer refused = try_from("192.0.2.7", ann.email, "correct horse");
    cr_assert_eq(refused.status, 429);
    cr_expect(retry_after(&refused) > 300 && retry_after(&refused) <= 600, "%d", retry_after(&refused));
    cr_expect_eq(right_from("192.0.2.8", ann.email), 200, "its neighbour");
}

/* One's own account is not to wash away what was failed on others'. */
Test(lockout, takes_off_an_address_what_was_failed_on_that_account_alone)
{
    struct person ann = signup("ann");
    fail_of_many("192.0.2.7", 0, 46);
    expect_failures("192.0.2.7", ann.email, 3);
    cr_assert_eq(right_from("192.0.2.7", ann.email), 200);
    fail_of_many("192.0.2.7", 100, 104);
    cr_expect_eq(right_from("192.0.2.7", ann.email), 429);
}

Test(lockout, from_everywhere_only_delays_and_nobody_who_is_signed_in_there)
{
    struct person ann = signup("ann"); /* from 192.0.2.7 */
    for (int i = 0; i < 100; i++)
        cr_assert_eq(fail_from(format("198.51.%d.1", i), ann.email), 401);
    pass(-HELD_S);
    struct answer refused = try_from("203.0.113.1", ann.email, "correct horse");
    cr_assert_eq(refused.status, 429);
    cr_expect_leq(retry_after(&refused), HELD_S + 1);
    cr_expect_eq(right_from("192.0.2.99", ann.email), 200);
    pass(HELD_S + 60);
    cr_expect_eq(right_from("203.0.113.1", ann.email), 200);
}

Test(lockout, counts_a_wrong_password_of_who_is_signed_in)
{
    struct person ann = signup("ann");
    for (int i = 0; i < 5; i++)
        cr_assert_eq(
            CALL(PUT, "/password", "{\"current\":\"wrong horse\",\"password\":\"another horse\"}", .token = ann.access)
                .status,
            401);
    pass(-HELD_S);
    struct answer refused = CALL(PUT, "/password", "{\"current\":\"correct horse\",\"password\":\"another horse\"}",
                                 .token = ann.access);
    cr_expect_eq(refused.status, 429);
    cr_expect_eq(CALL(GET, "/profile/mine", .token = ann.access).status, 200, "nothing else is refused");
}

/* Another replica of auth on the same Redis. */
Test(lockout, holds_in_all_replicas)
{
    struct person ann = signup("ann");
    expect_failures("192.0.2.7", ann.email, 5);
    pass(-HELD_S);
    cr_assert(auth_restart());
    cr_expect_eq(right_from("192.0.2.7", ann.email), 429);
}

Test(lockout, keeps_no_address_of_mail_and_nothing_for_ever)
{
    struct person ann = signup("ann");
    expect_failures("192.0.2.7", ann.email, 1);
    redisReply *keys = redis_server_ask(&redis, NULL, "0", "KEYS *");
    cr_assert_eq(keys->elements, 3);
    for (size_t i = 0; i < keys->elements; i++) {
        cr_expect_null(strstr(keys->element[i]->str, "ann"));
        redisReply *left = redis_server_ask(&redis, NULL, "0", format("PTTL %s", keys->element[i]->str));
        cr_expect(left->integer > 0 && left->integer <= REMEMBERED_MS);
        freeReplyObject(left);
    }
    freeReplyObject(keys);
}

/* Somebody new fails so often, and is refused with the right password then. Who was so slow that the delay of a second
 * is over says nothing, and another one tries. */
static bool is_locked_after(int count)
{
    static int number;
    for (;;) {
        struct person person = signup(format("q%d", ++number));
        const char *peer = format("10.%d.%d.1", number / 256, number % 256);
        for (int i = 1; i < count; i++)
            if (fail_from(peer, person.email) == 429)
                return true;
        int64_t last_ms = clock_ms();
        fail_from(peer, person.email);
        if (right_from(peer, person.email) == 429)
            return true;
        if (clock_ms() - last_ms < 1000)
            return false;
    }
}

static void expect_locked_after(int count, bool locked)
{
    for (int64_t until = clock_ms() + 60000; is_locked_after(count) != locked;)
        cr_assert_lt(clock_ms(), until, "%d failures", count);
}

/* 200 ms a call until the breaker is open, and what a busy machine adds; hiredis would wait for ever. */
Test(lockout_without, waits_for_no_redis_that_is_frozen)
{
    struct attempt attempt;
    int64_t longest = 0;
    expect_locked_after(4, false);
    redis_server_freeze(&redis, true);
    for (int i = 0; i < 200; i++) {
        int64_t began = calm_ms();
        const char *email = format("f%d@example.com", i);
        cr_assert(lockout_admit(&fixture.ctx, fixture.parts.signin.lockout, email, "192.0.2.9", &attempt));
        lockout_passed(&fixture.ctx, fixture.parts.signin.lockout, &attempt);
        int64_t took = calm_ms() - began;
        longest = took > longest ? took : longest;
    }
    cr_expect_lt(longest, 1000, "%lld ms", (long long)longest);
    cr_expect(is_locked_after(5), "a replica counts by itself");
    redis_server_freeze(&redis, false);
    expect_locked_after(4, false);
}

Test(lockout_without, is_tighter_while_redis_is_gone_and_as_before_when_it_is_back)
{
    expect_locked_after(3, false);
    redis_server_kill(&redis);
    expect_locked_after(3, true);
    redis_server_again(&redis, NULL);
    expect_locked_after(3, false);
    cr_expect(is_locked_after(5));
}

Test(lockout_alone, is_tighter)
{
    cr_expect(is_locked_after(3));
    cr_expect_not(is_locked_after(2));
    struct person ann = signup("ann");
    fail_of_many("192.0.4.7", 0, 20);
    cr_expect_eq(right_from("192.0.4.7", ann.email), 429);
    cr_expect_eq(right_from("192.0.4.8", ann.email), 200);
}

Test(lockout_alone, takes_off_an_address_what_was_failed_on_that_account_alone)
{
    struct person ann = signup("ann");
    fail_of_many("192.0.2.7", 0, 18);
    expect_failures("192.0.2.7", ann.email, 1);
    cr_assert_eq(right_from("192.0.2.7", ann.email), 200);
    fail_of_many("192.0.2.7", 100, 102);
    cr_expect_eq(right_from("192.0.2.7", ann.email), 429);
}
