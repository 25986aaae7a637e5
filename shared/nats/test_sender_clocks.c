#include "nats/sender_clocks.h"

#include <criterion/criterion.h>

static struct sender_clocks *clocks;

static void setup(void)
{
    clocks = sender_clocks_create(4);
}

static void teardown(void)
{
    sender_clocks_destroy(clocks);
}

TestSuite(sender_clocks, .init = setup, .fini = teardown);

enum { BEGAN = 1000000 };

/* By a sender whose clock is `ahead_ms`, of what took `took_ms` and came `after_ms` since the beginning. */
static int64_t age(const char *sender, int64_t ahead_ms, int64_t took_ms, int64_t after_ms)
{
    int64_t now = BEGAN + after_ms;
    return sender_clocks_age(clocks, sender, now - took_ms + ahead_ms, now, after_ms);
}

Test(sender_clocks, that_differ_age_no_message)
{
    static const int64_t ahead[] = { 0, 60000, -60000, 3600000 };
    static const char *const names[] = { "a", "b", "c", "d" };
    for (int i = 0; i < 4; i++) {
        cr_expect_eq(age(names[i], ahead[i], 1, 0), 0);
        cr_expect_eq(age(names[i], ahead[i], 7, 10), 6);
        cr_expect_eq(age(names[i], ahead[i], 1, 20), 0);
    }
}

Test(sender_clocks, that_differ_hide_no_message_that_waited)
{
    age("a", -60000, 1, 0);
    cr_expect_eq(age("a", -60000, 5001, 5010), 5000);
    /* A quarter of an hour without a message, and what waited for its end. */
    for (int i = 0; i < 1000; i++)
        cr_expect_eq(age("a", -60000, 12001, 900000 + i), 12000);
}

Test(sender_clocks, that_are_set_are_followed)
{
    age("a", 0, 1, 0);
    cr_expect_eq(age("a", 60000, 1, 100), 0, "forward: at once");
    cr_expect_eq(age("a", 0, 1, 200), 60000);
    cr_expect_eq(age("a", 0, 1, 10300), 60000);
    cr_expect_eq(age("a", 0, 1, 20400), 0, "back: when two windows are over");
}

Test(sender_clocks, of_few_senders_are_remembered)
{
    age("a", 0, 1, 0);
    for (char name[] = "b"; name[0] < 'g'; name[0]++)
        age(name, 0, 1, 1);
    cr_expect_eq(age("a", 0, 500, 2), 0, "it is new again");
    cr_expect_eq(age("f", 0, 500, 2), 499);
}
