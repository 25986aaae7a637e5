#include "apikey/rates.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct rates *rates;

static void setup(void)
{
    rates = rates_create();
}

static void teardown(void)
{
    rates_destroy(rates);
}

TestSuite(rates, .init = setup, .fini = teardown, .timeout = 60);

static int64_t remaining, reset_s;

static bool take(const char *id, int64_t per_minute, int64_t now_s)
{
    return rates_take(rates, rate_id_of(id), per_minute, now_s, &remaining, &reset_s);
}

Test(rates, count_within_a_minute_of_the_first)
{
    cr_expect(take("a", 2, 5) && remaining == 1 && reset_s == 60, "also in the first minute of the machine's clock");
    cr_expect(take("a", 2, 35) && remaining == 0 && reset_s == 30);
    cr_expect(!take("a", 2, 64) && remaining == 0 && reset_s == 1);
    cr_expect(take("b", 2, 64) && remaining == 1, "another key");
    cr_expect(take("a", 2, 65) && remaining == 1 && reset_s == 60);
    cr_expect(!take("a", 1, 66), "the rate was lowered");
    cr_expect(take("a", 3, 66) && remaining == 1, "and raised");
}

Test(rates, forget_the_oldest_of_very_many)
{
    char id[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        cr_assert(take(id, 1, 1000 + i / 10000));
    }
    int known = 0;
    for (int i = 90000; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        known += !take(id, 1, 1010);
    }
    cr_expect_eq(known, 10000);
}

Test(rates, are_those_of_all_processes_and_survive_each)
{
    enum { PROCESSES = 4, EACH = 10000 };
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            for (int n = 0; n < EACH; n++)
                take("a", 1 << 30, 1000);
            _exit(0);
        }
    for (int i = 0; i < PROCESSES; i++)
        cr_assert_gt(wait(NULL), 0);
    take("a", 1 << 30, 1000);
    cr_expect_eq(remaining, (1 << 30) - PROCESSES * EACH - 1);
}

/* Some of them die while they hold the lock. */
Test(rates, outlive_who_is_killed_while_he_counts)
{
    int64_t before = 1 << 30;
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (;;)
                take("a", 1 << 30, 1000);
        usleep(2000);
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        cr_assert(take("a", 1 << 30, 1000));
        cr_assert_lt(remaining, before);
        before = remaining;
    }
}
