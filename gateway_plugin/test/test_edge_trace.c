/* Traces: W3C's headers, spans in a real Jaeger, and that nobody waits for a collector. */
#include "base/calm_clock.h"
#include "base/clock.h"
#include "edge_one.h"
#include "jaeger_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct jaeger jaeger;

static const char config[] = "_format_version: '3.0'\n"
                             "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}]}]\n"
                             "services: [{name: a, host: u, routes: [{name: r, paths: [/a]}]}]\n";

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

/* NULL: the edge is started without a collector. */
static void start(const char *const *environment)
{
    one_start(environment, config);
}

TestSuite(edge_trace, .timeout = 60);

/* What follows "NAME: " in a head; at most 99 bytes. */
static const char *header_of(const char *head, const char *name)
{
    static char out[4][100];
    static int turn;
    char line[64], *value = out[turn++ % 4];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(head, line);
    snprintf(value, 100, "%.*s", at ? (int)strcspn(at + strlen(line), "\r") : 0, at ? at + strlen(line) : "");
    return value;
}

/* Asks, and gives what the member was sent; the answer's status must be 200. */
static const char *told(const char *headers)
{
    static char head[8192];
    char *answer = get(edge.port, "/a/x", headers);
    cr_expect_eq(status_of(answer), 200);
    free(answer);
    backend_last_head(one, head, sizeof head);
    return head;
}

Test(edge_trace, carries_on_or_begins_a_trace)
{
    start(NULL);
    const char *head = told("traceparent: 00-" TRACE "-" PARENT "-01\r\ntracestate: a=1\r\n");
    cr_expect_eq(strncmp(header_of(head, "traceparent"), "00-" TRACE "-", 36), 0, "%s", head);
    cr_expect(!has(header_of(head, "traceparent"), PARENT), "a span of the edge's own");
    cr_expect_str_eq(header_of(head, "traceparent") + 53, "01");
    cr_expect_str_eq(header_of(head, "tracestate"), "a=1");
    head = told("traceparent: 00-" TRACE "-" PARENT "-00\r\n");
    cr_expect_str_eq(header_of(head, "traceparent") + 53, "00", "who began it does not want it recorded");
    head = told("traceparent: 00-" TRACE "-" PARENT "-xx\r\ntracestate: a=1\r\n");
    cr_expect(!has(header_of(head, "traceparent"), TRACE), "%s", head);
    cr_expect_eq(strlen(header_of(head, "traceparent")), 55);
    cr_expect_str_eq(header_of(head, "tracestate"), "", "a state of no trace");
    head = told("traceparent: 00-" TRACE "-" PARENT "-01\r\ntraceparent: 00-" TRACE "-" PARENT "-01\r\n");
    cr_expect(!has(header_of(head, "traceparent"), TRACE), "which of two?");
    teardown();
}

static bool with_jaeger(void)
{
    if (jaeger_start(&jaeger))
        return true;
    cr_skip("Jaeger has not been built: tools/servers/build jaeger");
    return false;
}

Test(edge_trace, spans_of_all_requests_reach_jaeger)
{
    char endpoint[96];
    if (!with_jaeger())
        return;
    snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d/", jaeger.otlp_port);
    const char *const environment[] = { endpoint,
                                        "OTEL_SERVICE_NAME=front-door",
                                        "OTEL_RESOURCE_ATTRIBUTES=deployment.environment=te%2Cst,b=2",
                                        "EDGE_PROCESSES=2",
                                        "EDGE_TRUSTED_PROXIES=127.0.0.0/8",
                                        NULL };
    start(environment);
    char *answer = get(edge.port, "/a/stall?ms=120&token=sesame",
                       "X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\ntraceparent: 00-" TRACE "-" PARENT
                       "-01\r\nUser-Agent: t\"\xff\r\nX-Request-Id: mine\r\n");
    cr_assert_eq(status_of(answer), 200);
    json_t *trace = jaeger_trace(&jaeger, TRACE, 2);
    cr_assert_not_null(trace);
    char *text = json_dumps(trace, 0);
    cr_expect(!has(text, "sesame"), "%s", text);
    cr_expect(has(text, "front-door") && has(text, "te,st"), "%s", text);
    free(text);
    json_t *server = jaeger_span(trace, "server"), *client = jaeger_span(trace, "client");
    cr_expect_str_eq(json_string_value(json_object_get(server, "operationName")), "GET r");
    cr_expect_eq(
        strncmp(json_string_value(json_object_get(server, "spanID")), header_of(answer, "traceparent") + 36, 16), 0);
    json_t *above = json_array_get(json_object_get(server, "references"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(above, "spanID")), PARENT);
    above = json_array_get(json_object_get(client, "references"), 0);
    cr_expect_str_eq(json_string_value(json_object_get(above, "spanID")),
                     json_string_value(json_object_get(server, "spanID")));
    char head[4096];
    backend_last_head(one, head, sizeof head);
    cr_expect_eq(strncmp(json_string_value(json_object_get(client, "spanID")), header_of(head, "traceparent") + 36, 16),
                 0, "the service's spans hang below the client's");
    static const struct {
        const char *name, *value;
    } tags[] = {
        { "http.request.method", "GET" },
        { "http.response.status_code", "200" },
        { "url.path", "/a/stall" },
        { "url.query", "ms=120&token=REDACTED" },
        { "url.scheme", "https" },
        { "server.address", "shop.example" },
        { "client.address", "127.0.0.1" },
        { "tonearm.route", "r" },
        { "tonearm.service", "a" },
        { "tonearm.request_id", "mine" },
        { "user_agent.original", "t\"\xef\xbf\xbd" },
        { "http.response.body.size", "4" },
        { "error.type", "" },
    };
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        cr_expect_str_eq(jaeger_tag(server, tags[i].name), tags[i].value, "%s", tags[i].name);
    char port[12];
    snprintf(port, sizeof port, "%d", backend_port(one));
    cr_expect_str_eq(jaeger_tag(client, "server.port"), port);
    int64_t whole = json_integer_value(json_object_get(server, "duration"));
    int64_t asked = json_integer_value(json_object_get(client, "duration"));
    cr_expect(asked >= 119000 && whole >= asked && whole < 5000000, "%lld %lld", (long long)whole, (long long)asked);
    int64_t began = json_integer_value(json_object_get(server, "startTime"));
    cr_expect_lt(llabs(began / 1000 - clock_now_ms()), 30000);
    json_decref(trace);
    free(answer);
    teardown();
    jaeger_stop(&jaeger);
}

Test(edge_trace, errors_and_what_nobody_wants_recorded)
{
    char endpoint[96];
    if (!with_jaeger())
        return;
    snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://127.0.0.1:%d/v1/traces",
             jaeger.otlp_port);
    const char *const environment[] = { endpoint, NULL };
    start(environment);
    char *answer = get(edge.port, "/a", "traceparent: 00-11111111111111111111111111111111-" PARENT "-00\r\n");
    free(answer);
    answer = get(edge.port, "/nothing", "");
    char id[33];
    snprintf(id, sizeof id, "%.32s", header_of(answer, "traceparent") + 3);
    free(answer);
    json_t *trace = jaeger_trace(&jaeger, id, 1);
    cr_assert_not_null(trace);
    cr_expect_eq(json_array_size(json_object_get(trace, "spans")), 1, "no service was asked");
    cr_expect_str_eq(jaeger_tag(jaeger_span(trace, "server"), "http.response.status_code"), "404");
    json_decref(trace);
    answer = get(edge.port, "/a/close", "");
    snprintf(id, sizeof id, "%.32s", header_of(answer, "traceparent") + 3);
    free(answer);
    trace = jaeger_trace(&jaeger, id, 2);
    cr_assert_not_null(trace);
    cr_expect_str_eq(jaeger_tag(jaeger_span(trace, "server"), "error.type"), "502");
    cr_expect_str_eq(jaeger_tag(jaeger_span(trace, "client"), "error"), "true");
    json_decref(trace);
    answer = get(jaeger.query_port, "/api/traces/11111111111111111111111111111111", "");
    cr_expect_eq(status_of(answer), 404, "%s", answer);
    free(answer);
    teardown();
    jaeger_stop(&jaeger);
}

static const char with_plugin[] =
    "_format_version: '3.0'\n"
    "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}]}]\n"
    "services:\n"
    "  - name: a\n"
    "    host: u\n"
    "    routes:\n"
    "      - {name: plain, paths: [/plain]}\n"
    "      - name: traced\n"
    "        paths: [/a]\n"
    "        plugins:\n"
    "          - name: opentelemetry\n"
    "            config:\n"
    "              traces_endpoint: 'http://127.0.0.1:%d/v1/traces'\n"
    "              resource_attributes: {service.namespace: by-plugin}\n"
    "              http_response_header_for_traceid: X-Trace\n"
    "              queue: {max_coalescing_delay: 0.05}\n"
    "      - name: never\n"
    "        paths: [/never]\n"
    "        plugins:\n"
    "          - name: opentelemetry\n"
    "            config: {endpoint: 'http://127.0.0.1:%d/v1/traces', sampling_rate: 0, sampling_strategy: "
    "parent_probability_fallback}\n";

Test(edge_trace, spans_of_a_route_reach_the_collector_of_its_plugin)
{
    if (!with_jaeger())
        return;
    one = backend_start("one");
    edge_process_start(&edge, NULL, with_plugin, backend_port(one), jaeger.otlp_port, jaeger.otlp_port);
    char *plain = get(edge.port, "/plain", ""), *traced = get(edge.port, "/a", "");
    char *never = get(edge.port, "/never", "");
    char *wanted = get(edge.port, "/never", "traceparent: 00-" TRACE "-" PARENT "-01\r\n");
    cr_expect_str_eq(header_of(never, "traceparent") + 53, "00", "none of those that begin here");
    cr_expect_str_eq(header_of(wanted, "traceparent") + 53, "01", "but those of others that are wanted");
    cr_expect_str_eq(header_of(plain, "x-trace"), "");
    cr_expect_eq(strncmp(header_of(traced, "x-trace"), header_of(traced, "traceparent") + 3, 32), 0);
    json_t *trace = jaeger_trace(&jaeger, header_of(traced, "x-trace"), 2);
    cr_assert_not_null(trace);
    char *text = json_dumps(trace, 0);
    cr_expect(has(text, "by-plugin"), "%s", text);
    free(text);
    json_decref(trace);
    json_decref(jaeger_trace(&jaeger, TRACE, 2));
    char path[64];
    snprintf(path, sizeof path, "/api/traces/%.32s", header_of(plain, "traceparent") + 3);
    char *answer = get(jaeger.query_port, path, "");
    cr_expect_eq(status_of(answer), 404, "a route without the plugin");
    free(answer);
    snprintf(path, sizeof path, "/api/traces/%.32s", header_of(never, "traceparent") + 3);
    answer = get(jaeger.query_port, path, "");
    cr_expect_eq(status_of(answer), 404);
    free(answer);
    free(plain);
    free(traced);
    free(never);
    free(wanted);
    teardown();
    jaeger_stop(&jaeger);
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

static void ask_often(int times)
{
    int fd = dial(edge.port);
    for (int i = 0; i < times; i++) {
        say(fd, "GET /a/status?code=200 HTTP/1.1\r\nHost: x\r\n\r\n");
        char *answer = hear_one(fd);
        cr_assert_eq(status_of(answer), 200);
        free(answer);
    }
    close(fd);
}

/* The spans that were made while it was away come when it is there. */
Test(edge_trace, waits_for_a_collector_that_comes_later)
{
    char endpoint[96];
    if (!with_jaeger())
        return;
    jaeger_stop(&jaeger);
    snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d", jaeger.otlp_port);
    const char *const environment[] = { endpoint, NULL };
    start(environment);
    char *answer = get(edge.port, "/a", "");
    usleep(1200000); /* the first try has failed by now */
    jaeger_again(&jaeger);
    char id[33];
    snprintf(id, sizeof id, "%.32s", header_of(answer, "traceparent") + 3);
    free(answer);
    json_t *trace = jaeger_trace(&jaeger, id, 2);
    cr_expect_not_null(trace);
    json_decref(trace);
    cr_expect_eq(metric("tonearm_edge_spans_sent"), 2);
    cr_expect_eq(metric("tonearm_edge_spans_lost"), 0);
    teardown();
    jaeger_stop(&jaeger);
}

/* A collector that takes connections and says nothing: requests are answered, spans are lost and counted. */
Test(edge_trace, lets_no_request_wait_for_a_collector_that_hangs)
{
    char endpoint[96];
    struct deaf_port deaf = deaf_port_open();
    snprintf(endpoint, sizeof endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:%d", deaf.port);
    const char *const environment[] = { endpoint, "EDGE_THREADS=1", NULL };
    start(environment);
    int64_t until = clock_ms() + 30000;
    do {
        int64_t before = calm_ms();
        ask_often(200);
        cr_expect_lt(calm_ms() - before, 5000);
    } while (metric("tonearm_edge_spans_lost") == 0 && clock_ms() < until);
    cr_expect_gt(metric("tonearm_edge_spans_lost"), 0);
    int64_t before = calm_ms();
    teardown();
    cr_expect_lt(calm_ms() - before, 5000, "nor the stop for more than a second or two");
    deaf_port_close(&deaf);
}
