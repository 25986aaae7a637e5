/* What scripts written for Kong's read API ask of the admin's side. */
#include "base/text.h"
#include "edge_certificate.h"
#include "edge_fixture.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct edge_process edge;

static const char config[] =
    "_format_version: '3.0'\n"
    "upstreams: [{name: u, tags: [x], targets: [{target: '127.0.0.1:1'}, {target: '127.0.0.1:2', weight: 7}]}]\n"
    "services:\n"
    "  - {name: a, host: u, tags: [x, y], read_timeout: 1234,\n"
    "     plugins: [{name: request-size-limiting, config: {allowed_payload_size: 5}}],\n"
    "     routes: [{name: r1, paths: [/a], methods: [GET], plugins: [{name: key-auth, instance_name: door}]},\n"
    "              {name: r2, paths: [/b], strip_path: false}]}\n"
    "  - {id: 00000000-0000-4000-8000-00000000000a, name: b, url: 'http://127.0.0.1:9/x', tags: [y],\n"
    "     routes: [{name: r3, paths: [/c], hosts: [x.example], headers: {x-kind: [a, b]}}]}\n"
    "  - {name: asked, url: 'nats://media.search', routes: [{name: r4, paths: [/d]}]}\n"
    "plugins: [{name: prometheus}]\n"
    "certificates: [{cert: '%s', key: '%s', snis: [{name: a.example, tags: [x]}]}]\n"
    "consumers: [{username: ann, custom_id: '7', keyauth_credentials: [{key: not-to-be-shown}]}]\n";

static char dir[64], certificate[128], key_file[128];

static void setup(void)
{
    strcpy(dir, "/tmp/tonearm-cert-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    snprintf(certificate, sizeof certificate, "%s/cert.pem", dir);
    snprintf(key_file, sizeof key_file, "%s/key.pem", dir);
    certificate_make("a.example", certificate, key_file);
    edge_process_start(&edge, NULL, config, certificate, key_file);
}

static void teardown(void)
{
    edge_process_stop(&edge);
    unlink(certificate);
    unlink(key_file);
    rmdir(dir);
}

TestSuite(edge_admin_read, .timeout = 60);

static char *send_to(const char *method, const char *path, const char *headers)
{
    char text[512];
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", method, path, headers);
    return ask(edge.admin_port, text);
}

static json_t *asked(const char *path, int status)
{
    char *answer = get(edge.admin_port, path, "");
    cr_expect_eq(status_of(answer), status, "%s: %s", path, answer);
    json_t *json = json_loads(body_of(answer), 0, NULL);
    cr_assert_not_null(json, "%s: %s", path, answer);
    free(answer);
    return json;
}

/* "data.0.name" */
static json_t *at(json_t *json, const char *path)
{
    char key[64];
    for (; json && *path; path += strlen(key), path += *path == '.') {
        snprintf(key, sizeof key, "%.*s", (int)strcspn(path, "."), path);
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key)) : json_object_get(json, key);
    }
    return json;
}

/* As JSON in one line. */
static void expect(const char *path, const char *field, const char *value)
{
    json_t *json = asked(path, 200), *found = at(json, field);
    char *text = found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
    cr_expect(text_equal(text, value), "%s %s: %s, not %s", path, field, text ? text : "(not there)",
              value ? value : "(not there)");
    free(text);
    json_decref(json);
}

EDGE_TEST(edge_admin_read, shows_a_service_as_kong_does)
{
    expect("/services/a", "id", "\"72734e2a-702d-5711-b9ef-697178108ad8\"");
    expect("/services/72734e2a-702d-5711-b9ef-697178108ad8", "name", "\"a\"");
    expect("/services/00000000-0000-4000-8000-00000000000a", "name", "\"b\"");
    expect("/services/a", "host", "\"u\"");
    expect("/services/a", "port", "80");
    expect("/services/a", "protocol", "\"http\"");
    expect("/services/a", "path", "null");
    expect("/services/b", "path", "\"/x\"");
    expect("/services/a", "retries", "5");
    expect("/services/a", "read_timeout", "1234");
    expect("/services/a", "connect_timeout", "60000");
    expect("/services/a", "tags", "[\"x\",\"y\"]");
    expect("/services/a", "enabled", "true");
    expect("/services/a", "client_certificate", "null");
    json_t *json = asked("/services/a", 200);
    cr_expect_gt(json_integer_value(at(json, "created_at")), 1600000000);
    json_decref(json);
}

EDGE_TEST(edge_admin_read, shows_routes_plugins_and_consumers)
{
    expect("/routes/r1", "service.id", "\"72734e2a-702d-5711-b9ef-697178108ad8\"");
    expect("/routes/r1", "paths", "[\"/a\"]");
    expect("/routes/r1", "methods", "[\"GET\"]");
    expect("/routes/r2", "methods", "null");
    expect("/routes/r2", "protocols", "[\"http\",\"https\"]");
    expect("/routes/r2", "strip_path", "false");
    expect("/routes/r1/service", "name", "\"a\"");
    expect("/routes/r3", "headers", "{\"x-kind\":[\"a\",\"b\"]}");
    expect("/routes/r3", "hosts", "[\"x.example\"]");
    expect("/routes/r1", "headers", "null");
    expect("/routes/r1", "https_redirect_status_code", "426");
    expect("/services/asked", "protocol", "\"nats\"");
    expect("/services/asked", "host", "\"media.search\"");
    expect("/services/a/routes", "data.1.name", "\"r2\"");
    expect("/services/a/routes", "data.2", NULL);
    expect("/services/a/plugins", "data.0.name", "\"request-size-limiting\"");
    expect("/services/a/plugins", "data.0.config.allowed_payload_size", "5");
    expect("/services/a/plugins", "data.0.config.size_unit", "\"megabytes\"");
    expect("/services/a/plugins", "data.0.service.name", "\"a\"");
    expect("/services/a/plugins", "data.0.route", "null");
    expect("/services/a/plugins", "data.1", NULL);
    expect("/routes/r1/plugins", "data.0.name", "\"key-auth\"");
    expect("/plugins/door", "route.name", "\"r1\"");
    expect("/plugins/door", "config.key_names", "[\"apikey\"]");
    char *all = get(edge.admin_port, "/plugins/enabled", "");
    cr_expect(has(all, "{\"enabled_plugins\":[") && has(all, "\"correlation-id\"") && has(all, "\"key-auth\""), "%s",
              all);
    free(all);
    expect("/plugins", "data.2.name", "\"prometheus\"");
    expect("/consumers/ann", "custom_id", "\"7\"");
    expect("/services/a/routes/r2", "name", "\"r2\"");
    expect("/consumers?custom_id=7", "data.0.username", "\"ann\"");
    expect("/consumers?custom_id=8", "data.0", NULL);
    expect("/consumers", "data.0.username", "\"ann\"");
}

EDGE_TEST(edge_admin_read, shows_upstreams_and_targets)
{
    /* What the edge makes for a service's own host and port is none of the file's. */
    expect("/upstreams", "data.1", NULL);
    expect("/upstreams/u", "algorithm", "\"round-robin\"");
    expect("/upstreams/u", "healthchecks.passive.unhealthy.tcp_failures", "3");
    expect("/upstreams/u/targets", "data.1.target", "\"127.0.0.1:2\"");
    expect("/upstreams/u/targets", "data.1.weight", "7");
    expect("/upstreams/u/targets/all", "data.0.weight", "100");
    expect("/upstreams/u/targets", "data.0.upstream.id", "\"597a2b96-28b9-56b9-8745-bb55e59539cc\"");
    expect("/upstreams/u/targets/127.0.0.1:2", "weight", "7");
    expect("/upstreams/u/health", "data.0.health", "\"HEALTHY\"");
    expect("/upstreams/597a2b96-28b9-56b9-8745-bb55e59539cc/health", "data.0.target", "\"127.0.0.1:1\"");
}

EDGE_TEST(edge_admin_read, shows_certificates_without_their_keys)
{
    expect("/certificates", "data.0.snis", "[\"a.example\"]");
    expect("/certificates", "data.0.key", "\"(secret)\"");
    expect("/certificates", "data.0.key_alt", "null");
    expect("/snis/a.example", "tags", "[\"x\"]");
    char path[96];
    json_t *sni = asked("/snis/a.example", 200);
    snprintf(path, sizeof path, "/certificates/%s", json_string_value(at(sni, "certificate.id")));
    json_decref(sni);
    char *answer = get(edge.admin_port, path, "");
    cr_expect(has(answer, "BEGIN CERTIFICATE") && !has(answer, "PRIVATE KEY"), "%s", answer);
    free(answer);
    strcat(path, "/snis");
    expect(path, "data.0.name", "\"a.example\"");
}

EDGE_TEST(edge_admin_read, shows_the_node)
{
    expect("/", "configuration.database", "\"off\"");
    expect("/", "plugins.enabled_in_cluster", "[\"key-auth\",\"request-size-limiting\",\"prometheus\"]");
    expect("/", "tagline", "\"tonearm-edge\"");
    expect("/status", "database.reachable", "true");
    expect("/status", "server.requests_under_way", "0");
    json_t *json = asked("/status", 200);
    cr_expect_geq(json_integer_value(at(json, "server.connections_accepted")), 1);
    json_decref(json);
}

EDGE_TEST(edge_admin_read, gives_lists_in_pages)
{
    char path[256] = "/routes?size=2";
    static const char *const names[] = { "r1", "r2", "r3", "r4" };
    size_t count = 0, pages = 0;
    for (bool more = true; more; pages++) {
        json_t *json = asked(path, 200), *data = at(json, "data"), *row;
        size_t i;
        json_array_foreach(data, i, row) cr_expect_str_eq(json_string_value(at(row, "name")), names[count++ % 4]);
        more = json_is_string(at(json, "next"));
        cr_expect_eq(more, at(json, "offset") != NULL);
        if (more)
            snprintf(path, sizeof path, "%s", json_string_value(at(json, "next")));
        json_decref(json);
    }
    cr_expect_eq(count, 4);
    cr_expect_eq(pages, 2);
    expect("/routes?size=4", "next", "null");
    static const char *const wrong[] = { "/routes?size=0", "/routes?size=1001", "/routes?size=x",
                                         "/routes?offset=nobody" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        json_decref(asked(wrong[i], 400));
}

EDGE_TEST(edge_admin_read, finds_by_tags)
{
    expect("/services?tags=x", "data.1", NULL);
    expect("/services?tags=x,y", "data.1", NULL);
    expect("/services?tags=x%2Fy", "data.1.name", "\"b\"");
    expect("/services?tags=x/y", "data.0.name", "\"a\"");
    expect("/services?tags=z", "data.0", NULL);
    expect("/services?size=1&tags=y", "next",
           "\"/services?offset=00000000-0000-4000-8000-00000000000a&size=1&tags=y\"");
}

EDGE_TEST(edge_admin_read, says_what_is_not_there)
{
    static const char *const paths[] = { "/services/nobody",
                                         "/services/nobody/routes",
                                         "/services/a/nothing",
                                         "/servicesx",
                                         "/targets",
                                         "/routes/r1/service/x",
                                         "/services/a/routes/r3",
                                         "/upstreams/u/targets/x",
                                         "/upstreams/nobody/targets" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        json_t *json = asked(paths[i], 404);
        cr_expect_str_eq(json_string_value(at(json, "message")), "Not found");
        json_decref(json);
    }
}

EDGE_TEST(edge_admin_read, refuses_to_write_and_says_what_to_do)
{
    static const char *const methods[] = { "PUT", "PATCH", "DELETE" };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char *answer = send_to(methods[i], "/services/a", "");
        cr_expect_eq(status_of(answer), 405);
        cr_expect(has(answer, "allow: OPTIONS, GET, HEAD\r\n") && has(answer, "SIGHUP") && has(answer, "/config"), "%s",
                  answer);
        free(answer);
    }
    char *answer = send_to("DELETE", "/config", "");
    cr_expect(has(answer, "allow: OPTIONS, GET, HEAD, POST\r\n"), "%s", answer);
    free(answer);
    answer = send_to("GET", "/upstreams/u/targets/x/healthy", "");
    cr_expect(status_of(answer) == 405 && has(answer, "allow: OPTIONS, PUT\r\n"), "%s", answer);
    free(answer);
    answer = send_to("OPTIONS", "/routes", "");
    cr_expect_eq(status_of(answer), 204);
    cr_expect(has(answer, "allow: OPTIONS, GET, HEAD\r\n"), "%s", answer);
    free(answer);
}

EDGE_TEST(edge_admin_read, answers_head_without_a_body)
{
    char *answer = send_to("HEAD", "/services", "");
    cr_expect_eq(status_of(answer), 200);
    cr_expect_str_eq(body_of(answer), "");
    cr_expect_not(has(answer, "content-length: 0"));
    free(answer);
}

EDGE_TEST(edge_admin_read, shows_no_key_of_a_consumer)
{
    static const char *const paths[] = { "/consumers", "/consumers/ann", "/plugins", "/status", "/" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char *answer = get(edge.admin_port, paths[i], "");
        cr_expect_not(has(answer, "not-to-be-shown"), "%s", paths[i]);
        free(answer);
    }
}

EDGE_TEST(edge_admin_read, gives_browsers_a_page_that_runs_only_its_own)
{
    static const char *const paths[] = { "/", "/page" };
    for (size_t i = 0; i < 2; i++) {
        char *answer = get(edge.admin_port, paths[i], "Accept: text/html,*/*;q=0.8\r\n");
        cr_expect_eq(status_of(answer), 200);
        cr_expect(has(answer, "content-type: text/html; charset=utf-8\r\n") && has(body_of(answer), "<!doctype html>"));
        cr_expect(has(answer, "content-security-policy: default-src 'none';") && has(answer, "script-src 'sha256-") &&
                  has(answer, "frame-ancestors 'none'") && !has(answer, "unsafe"));
        free(answer);
    }
    char *answer = get(edge.admin_port, "/", "Accept: */*\r\n");
    cr_expect(has(answer, "application/json"));
    free(answer);
}

EDGE_TEST(edge_admin_read, takes_no_configuration_from_a_page)
{
    char *answer = send_to("POST", "/config", "Origin: http://evil.example\r\nContent-Length: 0\r\n");
    cr_expect_eq(status_of(answer), 403);
    free(answer);
}

/* DNS rebinding: evil.example names 127.0.0.1, and its page asks what its browser takes for its own site. */
EDGE_TEST(edge_admin_read, tells_nothing_to_a_page_of_another_name)
{
    static const struct {
        const char *host, *more;
        int status;
    } cases[] = {
        { "evil.example", "Accept-Encoding: gzip, deflate\r\n", 421 },
        { "evil.example:8001", "Accept-Encoding: gzip, deflate\r\n", 421 },
        { "127.0.0.1.evil.example", "Accept-Encoding: gzip, deflate\r\n", 421 },
        { "127.0.0.1:8001", "Accept-Encoding: gzip, deflate\r\n", 200 },
        { "[::1]:8001", "Accept-Encoding: gzip, deflate\r\n", 200 },
        { "localhost:8001", "Accept-Encoding: gzip, deflate\r\n", 200 },
        { "edge", "", 200 }, /* no browser */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "GET /config HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", cases[i].host,
                 cases[i].more);
        char *answer = ask(edge.admin_port, text);
        cr_expect_eq(status_of(answer), cases[i].status, "%s: %s", cases[i].host, answer);
        cr_expect_eq(has(answer, "not-to-be-shown"), cases[i].status == 200);
        free(answer);
    }
}

EDGE_TEST(edge_admin_read, tells_the_page_what_is_live)
{
    for (int i = 0; i < 3; i++)
        free(get(edge.port, "/b/x", ""));
    expect("/live?routes=1", "routes.1.name", "\"r2\"");
    expect("/live?routes=1", "routes.1.service", "\"a\"");
    expect("/live", "routes", NULL);
    expect("/live", "processes", "1");
    /* Nobody listens behind r2. */
    expect("/live", "counts.requests.0", "[\"route=\\\"r2\\\",status=\\\"503\\\"\",3]");
    expect("/live", "counts.latency.0.0", "\"route=\\\"r2\\\"\"");
    expect("/live", "upstreams.0.members.0.target", "\"127.0.0.1:1\"");
}
