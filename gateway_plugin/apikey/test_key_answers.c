#include "apikey/key_answers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct key_answers *answers;
static struct key_answer got;

static void setup(void)
{
    answers = key_answers_create();
}

static void teardown(void)
{
    key_answers_destroy(answers);
}

TestSuite(key_answers, .init = setup, .fini = teardown, .timeout = 30);

static void put(const char *key, int64_t checked_ms, const char *data)
{
    key_answers_put(answers, key, checked_ms, data, strlen(data));
}

static bool is(const char *data)
{
    return got.size == strlen(data) && memcmp(got.data, data, got.size) == 0;
}

Test(key_answers, of_one_process_are_known_to_another)
{
    pid_t child = fork();
    if (child == 0) {
        put("a", 100, "said");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    cr_assert(key_answers_get(answers, "a", 0, &got));
    cr_expect(is("said"));
    cr_expect_eq(got.checked_ms, 100);
    cr_expect_not(key_answers_get(answers, "b", 0, &got));
}

Test(key_answers, of_the_last_time_count)
{
    put("a", 100, "said");
    put("a", 200, "said otherwise");
    cr_assert(key_answers_get(answers, "a", 199, &got));
    cr_expect(is("said otherwise"));
    cr_expect_not(key_answers_get(answers, "a", 200, &got), "it is no newer");
}

Test(key_answers, that_were_dropped_are_gone)
{
    put("a", 100, "said");
    put("b", 100, "said");
    key_answers_drop(answers, "a");
    key_answers_drop(answers, "never there");
    cr_expect_not(key_answers_get(answers, "a", 0, &got));
    cr_expect(key_answers_get(answers, "b", 0, &got));
}

Test(key_answers, that_are_too_long_are_not_kept)
{
    char data[KEY_ANSWER_SIZE + 1];
    memset(data, 'x', sizeof data);
    key_answers_put(answers, "a", 100, data, sizeof data - 1);
    cr_assert(key_answers_get(answers, "a", 0, &got));
    key_answers_put(answers, "a", 200, data, sizeof data);
    cr_expect_not(key_answers_get(answers, "a", 0, &got), "the old one is not the last word");
}

Test(key_answers, are_bounded_and_the_oldest_go_first)
{
    char key[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "%d", i);
        put(key, i + 1, "said");
    }
    cr_expect(key_answers_get(answers, "99999", 0, &got));
    cr_expect_not(key_answers_get(answers, "0", 0, &got));
}
