/* What may be kept and for how long. */
#include "caching/cache_rules.h"

#include "caching/answer_cache.h"
#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static struct reply_head head;
static char text[1024];

static void read_head(int status, const char *headers)
{
    snprintf(text, sizeof text, "HTTP/1.1 %d X\r\n%s\r\n", status, headers);
    cr_assert_eq(reply_head_read(text, strlen(text), false, &head), HEAD_GOOD);
}

/* "no", or "FRESH STALE KEEP vary" in seconds. */
static void expect(const struct cache_policy *policy, int status, const char *headers, const char *want)
{
    char got[128] = "no";
    read_head(status, headers);
    struct cached *cached = cached_create("k", &head);
    if (cache_judge(cached, &head, policy, NOW_S))
        snprintf(got, sizeof got, "%lld %lld %lld%s%s", (long long)(cached->fresh_ms - cached->age_ms) / 1000,
                 (long long)cached->stale_ms / 1000, (long long)cached->keep_ms / 1000, cached->vary ? " " : "",
                 cached->vary ? cached->vary : "");
    cr_expect_str_eq(got, want, "%d %s", status, headers);
    cached_unref(cached);
}

Test(cache_rules, obeys_the_service)
{
    struct cache_policy policy = { .obey = true, .ttl_s = 300 };
    expect(&policy, 200, "Cache-Control: max-age=60\r\n", "60 0 60");
    expect(&policy, 200, "Cache-Control: max-age=\"60\"\r\n", "60 0 60");
    expect(&policy, 200, "Cache-Control: max-age=60, s-maxage=10\r\n", "10 0 10");
    expect(&policy, 200, "Cache-Control: max-age=60\r\nAge: 20\r\n", "40 0 60");
    expect(&policy, 200, "Cache-Control: max-age=60\r\nAge: 60\r\n", "no");
    expect(&policy, 200, "Cache-Control: max-age=60\r\nCache-Control: stale-while-revalidate=30\r\n", "60 30 90");
    expect(&policy, 200, "Cache-Control: max-age=60, stale-while-revalidate=30, must-revalidate\r\n", "60 0 60");
    expect(&policy, 200, "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
           "60 0 60");
    expect(&policy, 200, "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\n", "60 0 60");
    expect(&policy, 200, "Expires: 0\r\n", "no");
    expect(&policy, 200, "", "no");
    expect(&policy, 200, "Cache-Control: max-age=99999999999999999999\r\n", "1073741824 0 1073741824");
    expect(&policy, 200, "Cache-Control: max-age=1e9\r\n", "no");
    expect(&policy, 200, "Cache-Control: max-age=-1\r\n", "no");
    expect(&policy, 200, "Cache-Control: max-age=60, no-cache\r\n", "no");
    expect(&policy, 200, "Cache-Control: max-age=60, ext=\"a, private\"\r\n", "60 0 60");
}

Test(cache_rules, or_the_file)
{
    struct cache_policy policy = { .ttl_s = 300 };
    expect(&policy, 200, "Cache-Control: max-age=60, no-cache\r\nAge: 1000\r\n", "300 0 300");
    expect(&policy, 404, "Cache-Control: stale-while-revalidate=10\r\n", "300 10 310");
    policy.storage_s = 1000;
    expect(&policy, 200, "", "300 0 1000");
}

/* Whatever the file says. */
Test(cache_rules, keeps_nothing_that_is_one_clients_own)
{
    struct cache_policy policy = { .ttl_s = 300 };
    expect(&policy, 200, "Cache-Control: private\r\n", "no");
    expect(&policy, 200, "Cache-Control: PRIVATE=\"x\", max-age=5\r\n", "no");
    expect(&policy, 200, "Cache-Control: no-store\r\n", "no");
    expect(&policy, 200, "Set-Cookie: a=b\r\n", "no");
    expect(&policy, 200, "Vary: *\r\n", "no");
    expect(&policy, 200, "Vary: Accept, *\r\n", "no");
    expect(&policy, 206, "Content-Range: bytes 0-1/2\r\n", "no");
    expect(&policy, 200, "Content-Range: bytes 0-1/2\r\n", "no");
    expect(&policy, 304, "", "no");
    expect(&policy, 200, "Content-Type: text/event-stream\r\n", "no");
    expect(&policy, 200, "Vary: Accept, X-A\r\nvary: b\r\n", "300 0 300 accept,x-a,b");
    policy.authorized = true;
    expect(&policy, 200, "", "no");
    expect(&policy, 200, "Cache-Control: max-age=60\r\n", "no");
    expect(&policy, 200, "Cache-Control: public\r\n", "300 0 300");
    expect(&policy, 200, "Cache-Control: s-maxage=60\r\n", "300 0 300");
    expect(&policy, 200, "Cache-Control: must-revalidate\r\n", "300 0 300");
}

Test(cache_rules, keeps_what_belongs_to_the_answer)
{
    read_head(200,
              "X-A: 1\r\nConnection: X-Private\r\nX-Private: 2\r\nAge: 5\r\nDate: x\r\nTransfer-Encoding: chunked\r\n"
              "X-Tonearm-Edge: y\r\n");
    struct cached *cached = cached_create("k", &head);
    cr_expect_eq(cached->field_count, 1u);
    cr_expect_arr_eq(cached_field(cached, "x-a")->value, "1", 1);
    cached_unref(cached);
}

static struct cached *answer(const char *key, size_t size)
{
    static char body[100000];
    read_head(200, "");
    struct cached *cached = cached_create(key, &head);
    cached->stored_ms = clock_ms();
    cached->asked_us = clock_us();
    cached->keep_ms = 60000;
    cached->target = 7;
    cr_assert(cached_add(cached, body, size, sizeof body));
    return cached;
}

static bool there(struct answer_cache *cache, const char *key)
{
    struct cached *cached = answer_cache_get(cache, key);
    cached_unref(cached);
    return cached;
}

Test(cache_rules, the_store_is_bounded_in_bytes)
{
    static struct forgotten forgotten;
    struct cache_counts counts = { 0 };
    struct answer_cache *cache = answer_cache_create(1 << 20, &forgotten, NULL, &counts);
    char key[16];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "%d", i);
        answer_cache_put(cache, answer(key, 50000));
        cr_expect(there(cache, "0"), "what is used stays");
    }
    int count = 0;
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "%d", i);
        count += there(cache, key);
    }
    cr_expect(count > 10 && count <= 20, "%d", count);
    cr_expect(there(cache, "0") && there(cache, "39") && !there(cache, "1"));
    cr_expect_eq(counts.entries, count);
    cr_expect(counts.bytes > count * 50000LL && counts.bytes <= 1 << 20, "%lld", (long long)counts.bytes);
    /* The same bound for what is on its way. */
    cr_expect(answer_cache_hold(cache, 1 << 20));
    cr_expect_not(answer_cache_hold(cache, 1));
    answer_cache_release(cache, 1 << 20);
    cr_expect(answer_cache_hold(cache, 1));
    answer_cache_forget(cache, 8, clock_us());
    cr_expect(there(cache, "39"));
    answer_cache_forget(cache, 7, clock_us());
    cr_expect_not(there(cache, "39"));
    cr_expect_eq(counts.entries, count - 1);
    answer_cache_destroy(cache);
    cr_expect(counts.entries == 0 && counts.bytes == 0);
}

/* Two processes' stores, and the ring that they have in common. */
Test(cache_rules, what_one_process_keeps_another_gives)
{
    static struct forgotten forgotten;
    struct cache_counts counts = { 0 };
    struct shared_answers *ring = shared_answers_create(1 << 20);
    cr_expect_eq(shared_answers_used(ring), 0);
    struct answer_cache *a = answer_cache_create(1 << 20, &forgotten, ring, &counts);
    struct answer_cache *b = answer_cache_create(1 << 20, &forgotten, ring, &counts);
    struct cached *put = answer("00000001", 1000), *got;
    put->fresh_ms = 60000;
    memcpy(put->body, "body", 4);
    put->vary = strdup("accept");
    answer_cache_put(a, cached_ref(put));
    got = answer_cache_get(b, "00000001");
    cr_assert_not_null(got);
    cr_expect(got->size == 1000 && memcmp(got->body, "body", 4) == 0 && strcmp(got->vary, "accept") == 0 &&
              got->fresh_ms == 60000 && got->field_count == put->field_count);
    cached_unref(put);
    cached_unref(got);
    cr_expect_not(there(b, "00000002"));
    /* The ring goes round: what was written over is not found, whatever lies there now. */
    char key[16];
    for (int i = 16; i < 100; i++) {
        snprintf(key, sizeof key, "%08x", i);
        answer_cache_put(a, answer(key, 40000 + (size_t)i));
    }
    int count = 0;
    for (int i = 16; i < 100; i++) {
        snprintf(key, sizeof key, "%08x", i);
        got = shared_answers_get(ring, key, 0);
        cr_expect(!got || (got->size == 40000 + (size_t)i && strcmp(got->key, key) == 0));
        count += got != NULL;
        cached_unref(got);
    }
    cr_expect(count > 15 && count <= 26, "%d", count);
    cr_expect_eq(shared_answers_used(ring), 1 << 20);
    cr_expect_not(there(b, "00000010"));
    answer_cache_drop(b, "00000063");
    cr_expect_null(shared_answers_get(ring, "00000063", 0));
    /* What is too large for it stays where it is. */
    answer_cache_put(a, answer("000000ff", 100000));
    answer_cache_put(a, answer("000001ff", 100000));
    /* One fetches. */
    struct cache_waiter *waiter;
    struct flight *flight = answer_cache_fly(a, "f0000000", NULL, NULL, NULL, &waiter);
    cr_expect(flight && !waiter);
    cr_expect_null(answer_cache_fly(b, "f0000000", NULL, NULL, NULL, &waiter));
    cr_assert_not_null(waiter);
    cache_waiter_cancel(waiter);
    cr_expect_not(answer_cache_claim(b, "f0000000"));
    flight_land(a, flight, true);
    cr_expect(answer_cache_claim(b, "f0000000"));
    answer_cache_let_go(b, "f0000000");
    answer_cache_sweep(b, clock_ms());
    flight = answer_cache_fly(b, "f0000000", NULL, NULL, NULL, &waiter);
    cr_expect(flight && !waiter);
    flight_land(b, flight, true);
    answer_cache_destroy(a);
    answer_cache_destroy(b);
    shared_answers_destroy(ring);
}

/* A service that writes what a record looks like into its answers gains nothing by it: where one was written over, none
 * is found. */
Test(cache_rules, an_answer_that_looks_like_another_is_not_taken_for_it)
{
    enum { PERIOD = 16 };
    struct shared_answers *ring = shared_answers_create(1 << 20);
    const char *key = "0000001"; /* with its NUL half a period, as it stands in a record behind its size */
    for (size_t shift = 0; shift < PERIOD; shift++) {
        struct cached *put = answer(key, 100), *other = answer("00000002", 100000);
        shared_answers_put(ring, put);
        for (size_t i = 0; i < other->size; i++)
            other->body[i] = (i + shift) % PERIOD < 8 ? 0 : key[(i + shift) % PERIOD - 8];
        for (int i = 0; i < 12; i++)
            shared_answers_put(ring, other);
        struct cached *got = shared_answers_get(ring, key, -1);
        cr_expect_null(got);
        cached_unref(got);
        cached_unref(put);
        cached_unref(other);
    }
    shared_answers_destroy(ring);
}
