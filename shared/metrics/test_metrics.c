#include "metrics/metrics.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct arena arena;
static struct metrics *metrics;

static void setup(void)
{
    metrics = metrics_create();
}

static void teardown(void)
{
    metrics_destroy(metrics);
    arena_free(&arena);
}

TestSuite(metrics, .init = setup, .fini = teardown);

static const char *page(void)
{
    struct buf out = BUF(&arena);
    buf_text(&out, "");
    metrics_write(metrics, &out);
    return out.data;
}

static int64_t forty_two(void *self)
{
    return *(int64_t *)self;
}

Test(metrics, write_the_text_format)
{
    int64_t watched = 42;
    cr_expect_str_eq(page(), "");
    struct metric *requests = metric_counter(metrics, "requests_total", "Requests \\ by\nroute.", "route,status");
    sample_set(metric_sample(metric_gauge(metrics, "free", "Free.", NULL), NULL), -7);
    metric_watch(metrics, "jobs", "Waiting.", forty_two, &watched);
    sample_add(metric_sample(requests, "/a\"b\\c\nd", "200", NULL), 3);
    sample_add(metric_sample(requests, "/a\"b\\c\nd", "200", NULL), 2);
    cr_expect_str_eq(page(), "# HELP requests_total Requests \\\\ by\\nroute.\n"
                             "# TYPE requests_total counter\n"
                             "requests_total{route=\"/a\\\"b\\\\c\\nd\",status=\"200\"} 5\n"
                             "# HELP free Free.\n# TYPE free gauge\nfree -7\n"
                             "# HELP jobs Waiting.\n# TYPE jobs gauge\njobs 42\n");
}

Test(metrics, count_into_buckets)
{
    struct metric *seconds = metric_histogram(metrics, "seconds", "Took.", "route");
    struct sample *sample = metric_sample(seconds, "/x", NULL);
    static const int64_t took[] = { 0, 100, 101, 1000, 9999999, 10000000, 10000001, 60000000 };
    for (size_t i = 0; i < sizeof took / sizeof *took; i++)
        sample_observe_us(sample, took[i]);
    cr_expect_eq(sample_value(sample), 8);
    const char *text = page();
    static const char *const lines[] = {
        "# TYPE seconds histogram\n",
        "seconds_bucket{route=\"/x\",le=\"0.0001\"} 2\n",
        "seconds_bucket{route=\"/x\",le=\"0.00025\"} 3\n",
        "seconds_bucket{route=\"/x\",le=\"0.001\"} 4\n",
        "seconds_bucket{route=\"/x\",le=\"5\"} 4\n",
        "seconds_bucket{route=\"/x\",le=\"10\"} 6\n",
        "seconds_bucket{route=\"/x\",le=\"+Inf\"} 8\n",
        "seconds_sum{route=\"/x\"} 90.001201\n",
        "seconds_count{route=\"/x\"} 8\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect_not_null(strstr(text, lines[i]), "%s in %s", lines[i], text);
    metric_histogram(metrics, "plain", "Took.", NULL);
    cr_expect_not_null(strstr(page(), "plain_bucket{le=\"+Inf\"} 0\nplain_sum 0.000000\nplain_count 0\n"));
}

Test(metrics, count_into_buckets_of_their_own)
{
    static const int64_t us[] = { 250, 25000 };
    static const struct bounds bounds = { us, 2, 1000 };
    struct metric *ms = metric_histogram_of(metrics, "latency_ms", "Took.", "route", &bounds);
    struct sample *sample = metric_sample(ms, "/x", NULL);
    sample_observe_us(sample, 251);
    sample_observe_us(sample, 1000000);
    static const char *const lines[] = {
        "latency_ms_bucket{route=\"/x\",le=\"0.25\"} 0\n",
        "latency_ms_bucket{route=\"/x\",le=\"25\"} 1\n",
        "latency_ms_bucket{route=\"/x\",le=\"+Inf\"} 2\n",
        "latency_ms_sum{route=\"/x\"} 1000.251\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        cr_expect_not_null(strstr(page(), lines[i]), "%s in %s", lines[i], page());
    cr_expect_eq(sample_bucket(sample, 1), 1);
    cr_expect_eq(sample_bounds(sample), &bounds);
}

Test(metrics, may_be_walked)
{
    struct metric *requests = metric_counter(metrics, "requests_total", "Requests.", "path");
    cr_expect_null(metric_next(requests, NULL));
    sample_add(metric_sample(requests, "/a", NULL), 1);
    sample_add(metric_sample(requests, "/b", NULL), 2);
    int64_t sum = 0, count = 0;
    for (struct sample *sample = NULL; (sample = metric_next(requests, sample)); count++)
        sum += sample_value(sample) * (strcmp(sample_labels(sample), "path=\"/b\"") == 0 ? 10 : 1);
    cr_expect_eq(count, 2);
    cr_expect_eq(sum, 21);
}

Test(metrics, bound_the_values_of_labels)
{
    struct metric *requests = metric_counter(metrics, "requests_total", "Requests.", "path,agent");
    char path[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(path, sizeof path, "/%d", i);
        sample_add(metric_sample(requests, path, "x", NULL), 1);
    }
    const char *text = page();
    size_t lines = 0;
    for (const char *c = text; (c = strstr(c, "\nrequests_total{")); c++)
        lines++;
    cr_expect_eq(lines, 1025);
    cr_expect_not_null(strstr(text, "requests_total{path=\"other\",agent=\"other\"} 3976\n"));
    cr_expect_eq(sample_value(metric_sample(requests, "/0", "x", NULL)), 1, "known ones are still found");
}

Test(metrics, hold_against_odd_values)
{
    struct metric *odd = metric_counter(metrics, "odd", "Odd.", "a,b,c,d,e,f,g,h");
    char value[1000];
    memset(value, '"', sizeof value - 1);
    value[sizeof value - 1] = 0;
    sample_add(metric_sample(odd, value, value, value, value, value, value, value, value, NULL), 1);
    cr_expect_eq(strlen(strstr(page(), "odd{")), 8 * (4 + 2 * 128) + 7 + strlen("odd{} 1\n"),
                 "no value cuts the line short");
    struct metric *broken = metric_counter(metrics, "broken", "Broken.", "a");
    sample_add(metric_sample(broken, "a\xff\xc3", NULL), 1);
    sample_add(metric_sample(broken, "", NULL), 1);
    memset(value, 'x', 127);
    memcpy(value + 127, "\u00e9", 3);
    sample_add(metric_sample(broken, value, NULL), 1);
    const char *text = page();
    cr_expect_not_null(strstr(text, "broken{a=\"a??\"} 1\n"), "%s", text);
    cr_expect_not_null(strstr(text, "broken{a=\"\"} 1\n"));
    cr_expect_not_null(strstr(text, "xx\"} 1\n"), "cut before the character that does not fit");
}

Test(metrics, give_one_metric_for_one_name)
{
    struct metric *first = metric_counter(metrics, "a_total", "A.", NULL);
    cr_expect_eq(metric_counter(metrics, "a_total", "A.", NULL), first);
    cr_expect_eq(metric_sample(first, NULL), metric_sample(first, NULL));
}

static void in_another_process(void (*count)(struct metric *metric), struct metric *metric)
{
    pid_t pid = fork();
    if (pid == 0) {
        count(metric);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

static void count_one(struct metric *metric)
{
    sample_observe_us(metric_sample(metric, "/x", NULL), 1000);
}

static void count_too_many(struct metric *metric)
{
    char value[16];
    for (int i = 0; i < 500; i++) {
        snprintf(value, sizeof value, "%d", i);
        sample_observe_us(metric_sample(metric, value, NULL), 1000);
    }
}

Test(metrics, are_one_sum_over_processes)
{
    metrics_destroy(metrics);
    metrics = metrics_create_shared(64 << 10, 1024);
    struct metric *seconds = metric_histogram(metrics, "seconds", "Took.", "route");
    in_another_process(count_one, seconds);
    in_another_process(count_one, seconds);
    count_one(seconds);
    cr_expect_eq(sample_value(metric_sample(seconds, "/x", NULL)), 3);
    cr_expect_not_null(strstr(page(), "seconds_bucket{route=\"/x\",le=\"0.001\"} 3\n"));
    in_another_process(count_too_many, seconds);
    int64_t sum = 0;
    for (const char *c = page(); (c = strstr(c, "seconds_count{")); c++)
        sum += strtoll(strchr(c, '}') + 2, NULL, 10);
    cr_expect_eq(sum, 503);
    cr_expect_gt(sample_value(metric_sample(seconds, "new", NULL)), 10, "there was no room for all of them");
}

static void *count_many(void *self)
{
    struct metric *metric = self;
    struct arena own = { 0 };
    for (int i = 0; i < 20000; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i % 300);
        sample_add(metric_sample(metric, value, NULL), 1);
        if (i % 4000 == 0) {
            struct buf out = BUF(&own);
            metrics_write(metrics, &out);
            metric_gauge(metrics, i ? "late" : "early", "Declared while others count.", NULL);
        }
    }
    arena_free(&own);
    return NULL;
}

Test(metrics, lose_nothing_that_many_threads_count)
{
    struct metric *metric = metric_counter(metrics, "n_total", "N.", "value");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_many, metric);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int64_t sum = 0;
    for (const char *c = page(); (c = strstr(c, "n_total{")); c++)
        sum += strtoll(strchr(c, '}') + 2, NULL, 10);
    cr_expect_eq(sum, 80000);
}
