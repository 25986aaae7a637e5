#include "base/lru.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static size_t released;
static char last[16];

static void release(void *value)
{
    released++;
    snprintf(last, sizeof last, "%s", (const char *)value);
}

static struct lru *lru;

static void setup(void)
{
    lru = lru_create(3, release);
}

static void teardown(void)
{
    lru_destroy(lru);
}

TestSuite(lru, .init = setup, .fini = teardown);

Test(lru, forgets_what_was_used_longest_ago)
{
    lru_put(lru, "a", "A", 0);
    lru_put(lru, "b", "B", 0);
    lru_put(lru, "c", "C", 0);
    cr_expect_str_eq(lru_get(lru, "a"), "A");
    lru_put(lru, "d", "D", 0);
    cr_expect_null(lru_get(lru, "b"));
    cr_expect_str_eq(last, "B");
    cr_expect_str_eq(lru_get(lru, "a"), "A");
    cr_expect_str_eq(lru_get(lru, "c"), "C");
    cr_expect_str_eq(lru_get(lru, "d"), "D");
    cr_expect_eq(lru_count(lru), 3);
    cr_expect_eq(released, 1);
}

Test(lru, replaces)
{
    char same[] = "same";
    lru_put(lru, "a", "A", 0);
    lru_put(lru, "a", same, 0);
    cr_expect_str_eq(last, "A");
    lru_put(lru, "a", same, 0);
    cr_expect_eq(released, 1, "a value that is put again stays");
    cr_expect_eq(lru_count(lru), 1);
    cr_expect_str_eq(lru_get(lru, "a"), "same");
}

Test(lru, lets_values_grow_old)
{
    lru_put(lru, "past", "P", clock_ms() - 1);
    lru_put(lru, "future", "F", clock_ms() + 60000);
    cr_expect_null(lru_get(lru, "past"));
    cr_expect_str_eq(last, "P");
    cr_expect_str_eq(lru_get(lru, "future"), "F");
    cr_expect_eq(lru_count(lru), 1);
}

Test(lru, drops_and_clears)
{
    lru_put(lru, "a", "A", 0);
    lru_put(lru, "b", "B", 0);
    cr_expect(lru_drop(lru, "a"));
    cr_expect_not(lru_drop(lru, "a"));
    cr_expect_not(lru_drop(lru, ""));
    lru_clear(lru);
    cr_expect_eq(lru_count(lru), 0);
    cr_expect_eq(released, 2);
    lru_put(lru, "", "empty", 0);
    cr_expect_str_eq(lru_get(lru, ""), "empty");
}

static bool keep_b(void *self, const char *key, void *value)
{
    (void)value;
    (*(int *)self)++;
    return strcmp(key, "b") == 0;
}

Test(lru, filters)
{
    int seen = 0;
    lru_put(lru, "a", "A", 0);
    lru_put(lru, "b", "B", 0);
    lru_put(lru, "c", "C", 0);
    lru_filter(lru, keep_b, &seen);
    cr_expect_eq(seen, 3);
    cr_expect_eq(lru_count(lru), 1);
    cr_expect_str_eq(lru_get(lru, "b"), "B");
}

/* The same moves on a list that is searched from the front. */
Test(lru, does_what_a_plain_list_does)
{
    enum { CAPACITY = 40, KEYS = 100, MOVES = 200000 };
    struct lru *big = lru_create(CAPACITY, NULL);
    int order[CAPACITY + 1]; /* newest first */
    int count = 0;
    unsigned dice = 12345;
    static char values[KEYS];
    for (int i = 0; i < MOVES; i++) {
        dice = dice * 1103515245 + 12345;
        int key = (int)(dice >> 16) % KEYS, move = (int)(dice >> 8) % 8, at = 0;
        char name[16];
        snprintf(name, sizeof name, "k%d", key);
        while (at < count && order[at] != key)
            at++;
        bool there = at < count;
        if (move == 0) {
            cr_assert_eq(lru_drop(big, name), there);
        } else if (move < 4) {
            cr_assert_eq(lru_get(big, name), there ? &values[key] : NULL);
        } else
            lru_put(big, name, &values[key], 0);
        if (there || move >= 4) {
            if (there)
                memmove(order + at, order + at + 1, sizeof(int) * (size_t)(--count - at));
            if (move) {
                memmove(order + 1, order, sizeof(int) * (size_t)count);
                order[0] = key;
                count = count < CAPACITY ? count + 1 : CAPACITY;
            }
        }
        cr_assert_eq(lru_count(big), (size_t)count);
    }
    lru_destroy(big);
}

Test(lru, drops_the_oldest_when_asked)
{
    struct lru *small = lru_create(4, NULL);
    cr_expect_not(lru_drop_oldest(small));
    lru_put(small, "a", "1", 0);
    lru_put(small, "b", "2", 0);
    lru_get(small, "a");
    cr_expect(lru_drop_oldest(small));
    cr_expect_null(lru_get(small, "b"));
    cr_expect_not_null(lru_get(small, "a"));
    lru_destroy(small);
}
