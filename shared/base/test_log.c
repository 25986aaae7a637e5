#include "base/log.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int captured;
static json_t *current; /* the line that next_line() gave last */

static void setup(void)
{
    captured = memfd_create("log", 0);
    cr_assert_geq(captured, 0);
    dup2(captured, STDERR_FILENO);
}

static void teardown(void)
{
    json_decref(current);
}

TestSuite(log, .init = setup, .fini = teardown);

/* The next line as JSON, until the next call; NULL when there is no more. */
static json_t *next_line(FILE *file)
{
    static char line[1 << 17];
    if (!fgets(line, sizeof line, file))
        return NULL;
    json_decref(current);
    current = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(current, "%s", line);
    return current;
}

static FILE *written(void)
{
    FILE *file = fdopen(dup(captured), "r");
    rewind(file);
    return file;
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

Test(log, writes_json_lines)
{
    struct ctx ctx = { .request_id = "r-1", .traceparent = "00-1-2-3" };
    log_start("test", LOG_INFO);
    log_debug(NULL, "below");
    log_info(NULL, "plain");
    log_warn(&ctx, "odd \"\n\x01\xff", "key", "value", "none", NULL);
    FILE *file = written();
    json_t *line = next_line(file);
    cr_expect_str_eq(text(line, "message"), "plain");
    cr_expect_str_eq(text(line, "level"), "info");
    cr_expect_str_eq(text(line, "process"), "test");
    cr_expect_eq(strlen(text(line, "time")), 24);
    cr_expect_null(json_object_get(line, "requestId"));
    line = next_line(file);
    cr_expect_str_eq(text(line, "message"), "odd \"\n\x01\ufffd");
    cr_expect_str_eq(text(line, "requestId"), "r-1");
    cr_expect_str_eq(text(line, "traceparent"), "00-1-2-3");
    cr_expect_str_eq(text(line, "key"), "value");
    cr_expect(json_is_null(json_object_get(line, "none")));
    cr_expect_null(next_line(file));
}

Test(log, tells_a_failure_with_its_causes)
{
    struct ctx ctx = { 0 };
    log_start("test", LOG_INFO);
    ctx_violation(&ctx, "name", "min", "too short");
    ctx_fail(&ctx, ERROR_UNAVAILABLE, "the store is away");
    log_failure(LOG_ERROR, &ctx, "failed");
    ctx_finish(&ctx);
    log_failure(LOG_ERROR, &ctx, "nothing pending");
    log_failure(LOG_DEBUG, &ctx, "below");
    FILE *file = written();
    json_t *line = next_line(file), *errors = json_object_get(line, "errors");
    cr_assert_eq(json_array_size(errors), 2);
    cr_expect_eq(json_integer_value(json_object_get(json_array_get(errors, 0), "status")), 503);
    cr_expect_str_eq(text(json_array_get(errors, 1), "message"), "the request has invalid fields");
    cr_expect_not_null(strstr(text(json_array_get(errors, 0), "where"), "test_log.c"));
    cr_expect_eq(json_array_size(json_object_get(next_line(file), "errors")), 0);
    cr_expect_null(next_line(file));
}

static void *log_many(void *self)
{
    char long_text[5000] = "";
    memset(long_text, *(char *)self, sizeof long_text - 1);
    for (int i = 0; i < 100; i++)
        log_info(NULL, long_text);
    return NULL;
}

Test(log, does_not_mix_lines_of_threads)
{
    log_start("test", LOG_INFO);
    pthread_t threads[4];
    char names[] = "abcd";
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, log_many, &names[i]);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    FILE *file = written();
    int count = 0;
    for (json_t *line; (line = next_line(file)); count++) {
        const char *message = text(line, "message");
        cr_assert_eq(strspn(message, (char[]){ *message, 0 }), 4999);
    }
    cr_expect_eq(count, 400, "%d", count);
}
