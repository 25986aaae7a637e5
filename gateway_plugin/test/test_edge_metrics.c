/* Kong's prometheus plugin: each field has its effect, each name and label is Kong's. */
#include "base/clock.h"
#include "edge_backend.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct backend *backend;
static struct edge_process edge;

/* `%s`: the plugin's configuration. */
static void start(const char *settings)
{
    backend = backend_start("one");
    /* One loop: a new configuration is there for the next request, or not yet. */
    edge_process_start(
        &edge, (const char *const[]){ "EDGE_THREADS=1", NULL },
        "_format_version: '3.0'\n"
        "upstreams: [{name: u, targets: [{target: '127.0.0.1:%d'}, {target: '127.0.0.1:1', weight: 0}]}]\n"
        "services: [{name: s, host: u, routes: [{name: r, paths: [/a], plugins: [{name: key-auth}]},\n"
        "           {name: open, paths: [/open]}]}]\n"
        "consumers: [{username: ann, keyauth_credentials: [{key: k1}]}]\n"
        "plugins: [{name: prometheus, config: {%s}}]\n",
        backend_port(backend), settings);
}

static void stop(void)
{
    edge_process_stop(&edge);
    backend_stop(backend);
}

TestSuite(edge_metrics, .timeout = 60);

static char *page(void)
{
    return get(edge.admin_port, "/metrics", "");
}

static void ask_some(void)
{
    for (int i = 0; i < 3; i++)
        free(get(edge.port, "/a/x", "apikey: k1\r\n"));
    free(get(edge.port, "/a/x", ""));
    free(get(edge.port, "/open/stall?ms=60", ""));
}

static bool has_all(const char *text, const char *const *lines)
{
    for (; *lines; lines++)
        if (!has(text, *lines))
            return false;
    return true;
}

/* Who has its answer may ask before it has been counted. */
static void expect_lines(const char *const *lines)
{
    char *text = page();
    for (int64_t until = clock_ms() + 10000; !has_all(text, lines) && clock_ms() < until; usleep(5000)) {
        free(text);
        text = page();
    }
    for (; *lines; lines++)
        cr_expect(has(text, *lines), "%s in %s", *lines, text);
    free(text);
}

static long value_of(const char *name)
{
    char *text = page(), key[256];
    snprintf(key, sizeof key, "\n%s ", name);
    const char *at = strstr(text, key);
    long value = at ? strtol(at + strlen(key), NULL, 10) : -1;
    free(text);
    return value;
}

static long wait_above(const char *name, long value)
{
    for (int64_t until = clock_ms() + 10000; value_of(name) <= value && clock_ms() < until;)
        usleep(5000);
    return value_of(name);
}

Test(edge_metrics, counts_nothing_of_routes_unless_told)
{
    start("");
    ask_some();
    char *text = page();
    cr_expect(has(text, "kong_node_info{node_id=\"") && has(text, "kong_datastore_reachable 1\n"));
    cr_expect(has(text, "kong_nginx_connections_total{node_id=\"") &&
              has(text, "subsystem=\"http\",state=\"accepted\"} "));
    cr_expect(has(text, "kong_nginx_requests_total{node_id=\"") && has(text, "subsystem=\"http\"} 5\n"), "%s", text);
    static const char *const not [] = { "kong_http_requests_total", "kong_bandwidth_bytes", "latency_ms",
                                        "target_health" };
    for (size_t i = 0; i < sizeof not / sizeof *not ; i++)
        cr_expect_not(has(text, not [i]), "%s", not [i]);
    free(text);
    stop();
}

Test(edge_metrics, status_code_metrics)
{
    static const char *const lines[] = {
        "# TYPE kong_http_requests_total counter\n",
        "kong_http_requests_total{service=\"s\",route=\"r\",code=\"200\",source=\"service\",workspace=\"default\",consumer=\"\"} 3\n",
        "kong_http_requests_total{service=\"s\",route=\"r\",code=\"401\",source=\"kong\",workspace=\"default\",consumer=\"\"} 1\n",
        NULL
    };
    start("status_code_metrics: true");
    ask_some();
    expect_lines(lines);
    stop();
}

Test(edge_metrics, per_consumer)
{
    static const char *const lines[] = {
        "code=\"200\",source=\"service\",workspace=\"default\",consumer=\"ann\"} 3\n",
        "code=\"401\",source=\"kong\",workspace=\"default\",consumer=\"\"} 1\n",
        "kong_bandwidth_bytes{service=\"s\",route=\"r\",direction=\"ingress\",workspace=\"default\",consumer=\"ann\"} ",
        NULL
    };
    start("per_consumer: true, status_code_metrics: true, bandwidth_metrics: true");
    ask_some();
    expect_lines(lines);
    stop();
}

Test(edge_metrics, latency_metrics)
{
    static const char *const lines[] = {
        "# TYPE kong_request_latency_ms histogram\n",
        "kong_request_latency_ms_bucket{service=\"s\",route=\"open\",workspace=\"default\",le=\"50\"} 0\n",
        "kong_request_latency_ms_bucket{service=\"s\",route=\"open\",workspace=\"default\",le=\"60000\"} 1\n",
        "kong_upstream_latency_ms_bucket{service=\"s\",route=\"open\",workspace=\"default\",le=\"25\"} 0\n",
        "kong_upstream_latency_ms_bucket{service=\"s\",route=\"open\",workspace=\"default\",le=\"+Inf\"} 1\n",
        "kong_upstream_latency_ms_count{service=\"s\",route=\"r\",workspace=\"default\"} 3\n",
        "kong_request_latency_ms_count{service=\"s\",route=\"r\",workspace=\"default\"} 4\n",
        "kong_kong_latency_ms_bucket{service=\"s\",route=\"open\",workspace=\"default\",le=\"+Inf\"} 1\n",
        "kong_kong_latency_ms_sum{service=\"s\",route=\"r\",workspace=\"default\"} ",
        NULL
    };
    start("latency_metrics: true");
    ask_some();
    expect_lines(lines);
    /* The member's 60 ms are none of ours, however busy the machine is. */
    long ours = value_of("kong_kong_latency_ms_sum{service=\"s\",route=\"open\",workspace=\"default\"}");
    long all = value_of("kong_request_latency_ms_sum{service=\"s\",route=\"open\",workspace=\"default\"}");
    cr_expect(ours >= 0 && ours <= all - 55, "%ld of %ld ms", ours, all);
    stop();
}

Test(edge_metrics, bandwidth_metrics)
{
    static const char in[] =
        "kong_bandwidth_bytes{service=\"s\",route=\"open\",direction=\"ingress\",workspace=\"default\",consumer=\"\"}";
    static const char out[] =
        "kong_bandwidth_bytes{service=\"s\",route=\"open\",direction=\"egress\",workspace=\"default\",consumer=\"\"}";
    start("bandwidth_metrics: true");
    static const char request[] =
        "POST /open/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 10\r\n\r\n0123456789";
    free(get(edge.port, "/open/x", ""));
    long before_out = wait_above(out, 0), before_in = value_of(in);
    cr_expect(before_in > 20 && before_out > 100, "%ld %ld", before_in, before_out);
    char *answer = ask(edge.port, request);
    long more_out = wait_above(out, before_out) - before_out, more_in = value_of(in) - before_in;
    long size = (long)strlen(answer);
    free(answer);
    cr_expect_eq(more_in, (long)strlen(request), "%ld", more_in);
    cr_expect(more_out > size - 100 && more_out < size + 100, "%ld, %ld", more_out, size);
    stop();
}

Test(edge_metrics, upstream_health_metrics)
{
    char line[256];
    start("upstream_health_metrics: true");
    static const struct {
        const char *state;
        int is;
    } states[] = { { "healthy", 1 }, { "unhealthy", 0 }, { "dns_error", 0 }, { "healthchecks_off", 0 } };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        int port = backend_port(backend);
        snprintf(
            line, sizeof line,
            "kong_upstream_target_health{upstream=\"u\",target=\"127.0.0.1:%d\",address=\"127.0.0.1:%d\",state=\"%s\","
            "subsystem=\"http\"} %d\n",
            port, port, states[i].state, states[i].is);
        expect_lines((const char *const[]){ line, NULL });
    }
    expect_lines((const char *const[]){
        "target=\"127.0.0.1:1\",address=\"127.0.0.1:1\",state=\"healthchecks_off\",subsystem=\"http\"} 1\n", NULL });
    stop();
}

/* Where a sample was found is remembered: never for another route, status or configuration. */
Test(edge_metrics, stay_with_their_route_over_reloads)
{
    static const char *const lines[] = {
        "kong_http_requests_total{service=\"s\",route=\"even\",code=\"200\",source=\"service\",workspace=\"default\",consumer=\"\"} 9\n",
        "kong_http_requests_total{service=\"s\",route=\"odd\",code=\"200\",source=\"service\",workspace=\"default\",consumer=\"\"} 6\n",
        "kong_http_requests_total{service=\"s\",route=\"odd\",code=\"404\",source=\"service\",workspace=\"default\",consumer=\"\"} 2\n",
        NULL
    };
    start("status_code_metrics: true");
    for (int i = 0; i < 5; i++) {
        edge_process_write(&edge,
                           "_format_version: '3.0'\n"
                           "services: [{name: s, url: 'http://127.0.0.1:%d', routes: [{name: %s, paths: [/%d]}]}]\n"
                           "plugins: [{name: prometheus, config: {status_code_metrics: true}}]\n",
                           backend_port(backend), i % 2 ? "odd" : "even", i);
        edge_process_signal(&edge, SIGHUP);
        char path[32], missing[32];
        snprintf(path, sizeof path, "/%d/x", i);
        snprintf(missing, sizeof missing, "/%d/status?code=404", i);
        for (int tries = 0; tries < 500; tries++, usleep(5000)) {
            char *answer = get(edge.port, path, "");
            int status = status_of(answer);
            free(answer);
            if (status == 200)
                break;
        }
        free(get(edge.port, path, ""));
        free(get(edge.port, path, ""));
        if (i % 2)
            free(get(edge.port, missing, ""));
    }
    expect_lines(lines);
    stop();
}

/* Whichever process answers: a scraper that came to the other one would see another node. */
Test(edge_metrics, name_one_node_however_many_processes)
{
    backend = backend_start("one");
    edge_process_start(&edge, (const char *const[]){ "EDGE_PROCESSES=2", NULL },
                       "_format_version: '3.0'\nplugins: [{name: prometheus}]\n");
    char first[64] = "";
    for (int i = 0; i < 20; i++) {
        char *text = page();
        const char *at = strstr(text, "kong_node_info{node_id=\"");
        cr_assert_not_null(at, "%s", text);
        if (!*first)
            snprintf(first, sizeof first, "%.61s", at);
        cr_expect_eq(strncmp(at, first, 60), 0, "%.60s is not %s", at, first);
        free(text);
    }
    stop();
}

Test(edge_metrics, refuses_what_the_edge_does_not_have)
{
    static const char *const fields[] = { "ai_metrics", "wasm_metrics", "nonsense" };
    char body[512], text[1024];
    start("");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        snprintf(body, sizeof body, "_format_version: '3.0'\nplugins:\n- name: prometheus\n  config:\n    %s: true\n",
                 fields[i]);
        snprintf(
            text, sizeof text,
            "POST /config HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/yaml\r\nContent-Length: %zu\r\n\r\n%s",
            strlen(body), body);
        char *answer = ask(edge.admin_port, text);
        cr_expect_eq(status_of(answer), 400);
        cr_expect(has(answer, "\"line\":5") && has(answer, fields[i]), "%s", answer);
        free(answer);
    }
    stop();
}
