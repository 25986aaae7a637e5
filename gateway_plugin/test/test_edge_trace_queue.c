/* Each field of opentelemetry that says how spans are sent, by what a collector sees of it. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *member, *collector;
static struct edge_process edge;

/* `path` is what the collector does (edge_backend.c); `fields` are of the plugin's config. */
static void start(const char *path, const char *fields)
{
    member = backend_start("one");
    collector = backend_start("collector");
    edge_process_start(&edge, NULL,
                       "_format_version: '3.0'\n"
                       "services: [{name: a, url: 'http://127.0.0.1:%d', routes: [{name: r, paths: [/a]}]}]\n"
                       "plugins: [{name: opentelemetry, config: {endpoint: 'http://127.0.0.1:%d%s', %s}}]\n",
                       backend_port(member), backend_port(collector), path, fields);
}

static void stop(void)
{
    edge_process_stop(&edge);
    backend_stop(member);
    backend_stop(collector);
}

TestSuite(edge_trace_queue, .timeout = 60);

static void ask_times(int times)
{
    for (int i = 0; i < times; i++) {
        char *answer = get(edge.port, "/a", "");
        cr_expect_eq(status_of(answer), 200);
        free(answer);
    }
}

static int64_t metric(const char *name)
{
    char *page = get(edge.admin_port, "/metrics", ""), line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(page, line);
    int64_t out = at ? strtoll(at + strlen(line), NULL, 10) : -1;
    free(page);
    return out;
}

static int64_t lost(void)
{
    return metric("tonearm_edge_spans_lost");
}

static int64_t sent(void)
{
    return metric("tonearm_edge_spans_sent");
}

/* Until it is so, or too late. */
static int64_t wait_until(int64_t (*value)(void), int64_t least, int64_t ms)
{
    for (int64_t until = calm_ms() + ms; value() < least && calm_ms() < until;)
        usleep(5000);
    return value();
}

Test(edge_trace_queue, headers_go_along)
{
    char head[4096];
    start("/v1/traces", "headers: {X-Token: abc, X-Scope-OrgID: '7'}, queue: {max_coalescing_delay: 0}");
    ask_times(1);
    cr_expect_eq(wait_until(sent, 2, 5000), 2);
    backend_last_head(collector, head, sizeof head);
    cr_expect(has(head, "POST /v1/traces HTTP/1.1\r\n") && has(head, "X-Token: abc\r\n") &&
                  has(head, "X-Scope-OrgID: 7\r\n") && has(head, "Content-Type: application/json\r\n"),
              "%s", head);
    char *page = get(edge.admin_port, "/plugins", "");
    cr_expect(!has(page, "abc"), "they may be secrets: %s", page);
    free(page);
    stop();
}

Test(edge_trace_queue, a_full_batch_is_sent_at_once)
{
    static const char *const fields[] = { "queue: {max_batch_size: 2, max_coalescing_delay: 60}",
                                          "batch_span_count: 2, batch_flush_delay: 60" };
    for (size_t i = 0; i < 2; i++) {
        start("/", fields[i]);
        ask_times(1);
        cr_expect_eq(wait_until(sent, 2, 5000), 2, "%s", fields[i]);
        ask_times(1);
        cr_expect_eq(wait_until(sent, 4, 5000), 4, "%s", fields[i]);
        cr_expect_eq(backend_requests(collector), 2);
        stop();
    }
}

Test(edge_trace_queue, a_batch_gathers_for_its_delay_and_goes_at_the_stop)
{
    start("/", "queue: {max_coalescing_delay: 60}");
    ask_times(3);
    usleep(300000);
    cr_expect_eq(backend_requests(collector), 0);
    edge_process_stop(&edge);
    cr_expect_eq(backend_requests(collector), 1);
    cr_expect_gt(backend_body_bytes(collector), 2000);
    backend_stop(member);
    backend_stop(collector);
}

Test(edge_trace_queue, holds_no_more_than_it_may)
{
    static const char *const fields[] = { "queue: {max_entries: 4, max_retry_time: 60}",
                                          "queue: {max_bytes: 5000, max_retry_time: 60}" };
    for (size_t i = 0; i < 2; i++) {
        start("/status?code=503", fields[i]);
        ask_times(8);
        int64_t gone = wait_until(lost, 8, 5000);
        cr_expect(gone >= 8 && gone < 16, "%s: %lld", fields[i], (long long)gone);
        stop();
    }
}

Test(edge_trace_queue, tries_again_after_its_waits_and_gives_up_in_time)
{
    static const struct {
        const char *fields;
        long least, most; /* POSTs */
    } rows[] = {
        { "max_retry_time: 2, initial_retry_delay: 0.01, max_retry_delay: 0.02", 4, 300 },
        { "max_retry_time: 2, initial_retry_delay: 0.01", 3, 12 },
        { "max_retry_time: 0.4, initial_retry_delay: 10", 1, 1 },
        { "max_retry_time: 0", 1, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char fields[256];
        snprintf(fields, sizeof fields, "queue: {max_coalescing_delay: 0.01, %s}", rows[i].fields);
        start("/status?code=503", fields);
        ask_times(1);
        cr_expect_eq(wait_until(lost, 2, 5000), 2, "%s", fields);
        long posts = backend_requests(collector);
        cr_expect(posts >= rows[i].least && posts <= rows[i].most, "%s: %ld", fields, posts);
        stop();
    }
}

/* What a collector will never take is not sent again. */
Test(edge_trace_queue, takes_no_for_an_answer)
{
    start("/status?code=400", "queue: {max_coalescing_delay: 0.01}");
    ask_times(1);
    cr_expect_eq(wait_until(lost, 2, 5000), 2);
    cr_expect_eq(backend_requests(collector), 1);
    char *log = edge_process_log(&edge);
    cr_expect(has(log, "spans were lost") && has(log, "status 400"), "%s", log);
    free(log);
    stop();
}

/* The defaults would wait for eleven seconds. */
Test(edge_trace_queue, waits_for_an_answer_as_long_as_it_is_told)
{
    start("/stall?ms=3000", "connect_timeout: 100, send_timeout: 100, read_timeout: 100, queue: {max_retry_time: 0, "
                            "max_coalescing_delay: 0.01}");
    int64_t before = clock_ms();
    ask_times(1);
    cr_expect_eq(wait_until(lost, 2, 2500), 2);
    cr_expect_geq(clock_ms() - before, 250);
    stop();
}

/* What cannot be meant is said at the start, by name, and nothing is served. */
Test(edge_trace_queue, settings_that_cannot_be_meant_end_the_start)
{
    static const struct {
        const char *settings, *told;
    } rows[] = {
        { "OTEL_EXPORTER_OTLP_ENDPOINT=collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http" },
        { "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must begin with http" },
        { "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_PROTOCOL: must be one of http/json" },
        { "OTEL_EXPORTER_OTLP_HEADERS=x", "OTEL_EXPORTER_OTLP_HEADERS: must be NAME=VALUE" },
        { "OTEL_RESOURCE_ATTRIBUTES=x", "OTEL_RESOURCE_ATTRIBUTES: must be NAME=VALUE" },
        { "OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=2",
          "OTEL_TRACES_SAMPLER_ARG: must be a" },
        { "EDGE_ACCESS_LOG=/nonexistent/x", "cannot be opened" },
        { "EDGE_ACCESS_LOG_SAMPLE=0", "EDGE_ACCESS_LOG_SAMPLE: must be" },
        { "EDGE_ACCESS_LOG_FORMAT=xml", "EDGE_ACCESS_LOG_FORMAT: must be" },
    };
    start("/", "queue: {}");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char command[512], out[4096];
        snprintf(
            command, sizeof command,
            "env NATS_URL= EDGE_LISTEN=127.0.0.1:0 EDGE_ADMIN_LISTEN= EDGE_PROCESSES=1 EDGE_CONFIG=%s/edge.yml %s timeout 20 "
            "%s/gateway_plugin/tonearm-edge 2>&1; echo status $?",
            edge.dir, rows[i].settings, getenv("BUILD"));
        FILE *said = popen(command, "r");
        out[fread(out, 1, sizeof out - 1, said)] = 0;
        pclose(said);
        cr_expect(has(out, rows[i].told) && has(out, "status 78\n"), "%s: %s", rows[i].settings, out);
    }
    stop();
}
