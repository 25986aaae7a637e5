#include "store/lease.h"
#include "store/store_fixture.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static struct lease lease_of(struct fixture *fixture, const char *holder, int64_t ttl_ms)
{
    return (struct lease){ .store = fixture->store, .name = "relay", .holder = holder, .ttl_ms = ttl_ms };
}

STORE_TEST(one_holds_a_lease)
{
    struct ctx *ctx = &fixture->ctx;
    struct lease a = lease_of(fixture, "a", 60000), b = lease_of(fixture, "b", 60000);
    ok(ctx, lease_hold(ctx, &a));
    cr_expect_eq(a.fencing, 1);
    cr_expect(a.until_ms > clock_ms());
    cr_expect_not(lease_hold(ctx, &b));
    cr_expect_null(ctx->error);
    cr_expect_eq(b.fencing, 0);
    ok(ctx, lease_hold(ctx, &a));
    cr_expect_eq(a.fencing, 1);

    lease_release(ctx, &a);
    cr_expect_eq(a.fencing, 0);
    ok(ctx, lease_hold(ctx, &b));
    cr_expect_eq(b.fencing, 2);
    cr_expect_not(lease_hold(ctx, &a));
}

STORE_TEST(a_lease_is_renewed_and_taken_over_when_it_ran_out)
{
    struct ctx *ctx = &fixture->ctx;
    struct lease a = lease_of(fixture, "a", 3000), b = lease_of(fixture, "b", 3000);
    ok(ctx, lease_hold(ctx, &a));
    for (int i = 0; i < 4; i++) { /* longer than it lasts by itself; a busy machine may be late by two seconds */
        wait_ms(1000);
        ok(ctx, lease_hold(ctx, &a));
        cr_expect_not(lease_hold(ctx, &b));
    }
    cr_expect_eq(a.fencing, 1);
    int64_t until = a.until_ms;
    while (!lease_hold(ctx, &b)) {
        cr_assert_null(ctx->error);
        cr_assert_lt(clock_ms(), until + 30000);
        wait_ms(20);
    }
    cr_expect_gt(clock_ms(), until, "taken over while it was held");
    cr_expect_eq(b.fencing, 2);
    /* The old holder finds out, and what it releases is no longer its own. */
    cr_expect_not(lease_hold(ctx, &a));
    cr_expect_eq(a.fencing, 0);
    lease_release(ctx, &a);
    ok(ctx, lease_hold(ctx, &b));
    cr_expect_eq(b.fencing, 2);
}
