#include "member/replicas.h"

#include <criterion/criterion.h>

static struct replicas *replicas;

static void setup(void)
{
    struct nets nets;
    cr_assert(nets_parse("127.0.0.0/8", &nets));
    replicas = replicas_create(&nets);
    replicas_want(replicas, "auth");
}

static void teardown(void)
{
    replicas_destroy(replicas);
}

TestSuite(replicas, .init = setup, .fini = teardown);

static size_t count(void)
{
    size_t out = 0;
    for (const struct replica *one = replicas_of(replicas, "auth"); one; one = one->next)
        out++;
    return out;
}

static bool answer(const char *id)
{
    return replicas_answer(replicas, "auth", id, "127.0.0.1:1");
}

Test(replicas, come_once_and_only_where_wanted)
{
    cr_expect(answer("a"));
    cr_expect_not(answer("a"));
    cr_expect(answer("b"));
    cr_expect_not(replicas_answer(replicas, "media", "c", "127.0.0.1:1"));
    cr_expect_not(replicas_answer(replicas, "auth", "d", "10.0.0.1:1"));
    cr_expect_not(replicas_answer(replicas, "auth", "d", "localhost:1"));
    cr_expect_eq(count(), 2u);
}

Test(replicas, go_with_a_name_that_nobody_wants_any_more)
{
    replicas_want(replicas, "media");
    answer("a");
    replicas_answer(replicas, "media", "m", "127.0.0.1:2");
    replicas_mark(replicas);
    replicas_want(replicas, "media");
    replicas_sweep(replicas);
    cr_expect_eq(count(), 0u);
    cr_expect_not(answer("a"));
    cr_expect_not_null(replicas_of(replicas, "media"), "who is wanted still stays");
}

Test(replicas, go_when_they_say_so_and_a_late_answer_brings_nobody_back)
{
    answer("a");
    cr_expect(replicas_leave(replicas, "a"));
    cr_expect_not(replicas_leave(replicas, "a"));
    cr_expect_not(answer("a"));
    cr_expect_eq(count(), 0u);
}

Test(replicas, go_after_two_rounds_in_which_others_answered)
{
    answer("a");
    answer("b");
    cr_expect_not(replicas_end_round(replicas));
    answer("b");
    cr_expect_not(replicas_end_round(replicas));
    answer("b");
    cr_expect(replicas_end_round(replicas));
    cr_expect_eq(count(), 1u);
}

Test(replicas, come_back_to_grace_with_one_answer)
{
    answer("a");
    answer("b");
    replicas_end_round(replicas);
    for (int i = 0; i < 10; i++) {
        answer("b");
        if (i % 2)
            answer("a");
        cr_expect_not(replicas_end_round(replicas));
    }
    cr_expect_eq(count(), 2u);
}

Test(replicas, stay_when_all_are_silent)
{
    answer("a");
    answer("b");
    for (int i = 0; i < 100; i++)
        cr_expect_not(replicas_end_round(replicas));
    cr_expect_eq(count(), 2u);
}
