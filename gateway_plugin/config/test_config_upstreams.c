/* Every field of Kong's upstreams and targets: read, or refused with its line. */
#include "config/config_text.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(config_upstreams, .fini = teardown);

/* An upstream with these fields on lines 4 and on. */
static struct config *read_fields(const char *fields, const char **faults_text)
{
    char text[2048];
    snprintf(text, sizeof text, "_format_version: '3.0'\nupstreams:\n- name: u\n%s\n", fields);
    return config_from(&arena, text, faults_text);
}

static struct config *good(const char *fields)
{
    const char *faults;
    struct config *config = read_fields(fields, &faults);
    cr_assert_not_null(config, "%s", faults);
    return config;
}

Test(config_upstreams, have_kongs_defaults)
{
    struct config *config = good("");
    const struct kong_upstream *u = config->upstreams;
    cr_expect_eq(u->balance.algorithm, ALGORITHM_TURNS);
    cr_expect_eq(u->balance.slots, 10000);
    cr_expect_eq(u->balance.threshold, 0);
    cr_expect_eq(u->balance.slow_start_ms, 0);
    cr_expect_eq(u->hash_on.on, HASH_NONE);
    cr_expect_str_eq(u->cookie_path, "/");
    cr_expect_eq(u->health.active.timeout_ms, 1000);
    cr_expect_eq(u->health.active.concurrency, 10);
    cr_expect_str_eq(u->health.active.path, "/");
    cr_expect(u->health.active.verify);
    cr_expect_not(u->checks.probed);
    cr_expect(statuses_have(&u->checks.active.good, 302) && !statuses_have(&u->checks.active.good, 301));
    cr_expect(statuses_have(&u->checks.active.bad, 404) && !statuses_have(&u->checks.active.bad, 403));
    cr_expect(statuses_have(&u->checks.passive.bad, 429) && !statuses_have(&u->checks.passive.good, 429));
    cr_expect_eq(u->checks.passive.tcp, 3, "ours: Kong looks at nothing by itself");
    cr_expect_eq(u->checks.passive.http, 0);
    config_unref(config);
}

Test(config_upstreams, are_read_whole)
{
    struct config *config = good(
        "  algorithm: consistent-hashing\n  slots: 100\n  hash_on: header\n"
        "  hash_on_header: X-Who\n  hash_fallback: query_arg\n"
        "  hash_fallback_query_arg: q\n  hash_on_cookie_path: /c\n  host_header: h.example\n"
        "  slow_start: 2.5\n  targets: [{target: h, weight: 0}, {target: '[::1]:80'}]\n"
        "  healthchecks:\n    threshold: 40\n"
        "    passive: {type: https, healthy: {successes: 4, http_statuses: [200]},\n"
        "      unhealthy: {tcp_failures: 5, timeouts: 6, http_failures: 7, http_statuses: "
        "[500, 599]}}\n"
        "    active: {type: https, timeout: 0.5, concurrency: 3, http_path: '/p?q',\n"
        "      https_sni: s.example, https_verify_certificate: false, headers: {X-A: [b, c]},\n"
        "      healthy: {interval: 1.25, successes: 2, http_statuses: [204]},\n"
        "      unhealthy: {interval: 3, tcp_failures: 1, timeouts: 2, http_failures: 3,\n"
        "        http_statuses: [503]}}\n");
    const struct kong_upstream *u = config->upstreams;
    const struct kong_side *active = &u->health.active;
    cr_expect_eq(u->balance.algorithm, ALGORITHM_HASH);
    cr_expect_eq(u->balance.slots, 100);
    cr_expect_eq(u->balance.threshold, 40);
    cr_expect_eq(u->balance.slow_start_ms, 2500);
    cr_expect_str_eq(u->hash_on.name, "x-who");
    cr_expect_eq(u->hash_fallback.on, HASH_QUERY_ARG);
    cr_expect_str_eq(u->hash_fallback.name, "q");
    cr_expect_str_eq(u->cookie_path, "/c");
    cr_expect_str_eq(u->host_header, "h.example");
    cr_expect_str_eq(u->targets->target, "h:8000", "Kong's port where there is none");
    cr_expect_eq(u->targets->weight, 0);
    cr_expect_eq(u->checks.passive.successes, 4);
    cr_expect_eq(u->checks.passive.tcp, 5);
    cr_expect_eq(u->checks.passive.timeouts, 6);
    cr_expect_eq(u->checks.passive.http, 7);
    cr_expect(statuses_have(&u->checks.passive.good, 200) && !statuses_have(&u->checks.passive.good, 201));
    cr_expect(statuses_have(&u->checks.passive.bad, 599) && !statuses_have(&u->checks.passive.bad, 429));
    cr_expect_eq(active->type, PROBE_HTTPS);
    cr_expect_eq(active->timeout_ms, 500);
    cr_expect_eq(active->concurrency, 3);
    cr_expect_str_eq(active->path, "/p?q");
    cr_expect_str_eq(active->sni, "s.example");
    cr_expect_not(active->verify);
    cr_expect_str_eq(active->headers->name, "X-A");
    cr_expect_str_eq(active->headers->next->value, "c");
    cr_expect_eq(active->healthy.interval_ms, 1250);
    cr_expect_eq(active->unhealthy.interval_ms, 3000);
    cr_expect(u->checks.probed);
    cr_expect_eq(u->checks.active.successes, 2);
    cr_expect_eq(u->checks.active.http, 3);
    cr_expect(statuses_have(&u->checks.active.good, 204) && statuses_have(&u->checks.active.bad, 503));
    config_unref(config);
}

Test(config_upstreams, refuse_what_they_do_not_do_with_its_line)
{
    static const struct {
        const char *fields, *fault;
    } cases[] = {
        { "  algorithm: sticky-sessions", "f.yml:4: upstreams[0].algorithm: \"sticky-sessions\" is not supported" },
        { "  slots: 9", "f.yml:4: upstreams[0].slots: must be between 10 and 65536" },
        { "  hash_on: moon", "f.yml:4: upstreams[0].hash_on: \"moon\" is not supported" },
        { "  hash_on: header", "upstreams[0].hash_on_header: is required with \"header\"" },
        { "  hash_on: cookie", "upstreams[0].hash_on_cookie: is required with \"cookie\"" },
        { "  hash_on: query_arg", "upstreams[0].hash_on_query_arg: is required" },
        { "  hash_on: ip\n  hash_fallback: header", "upstreams[0].hash_fallback_header: is required" },
        { "  hash_on: ip\n  hash_fallback: ip", "upstreams[0].hash_fallback: is what hash_on is" },
        { "  hash_fallback: ip", "upstreams[0].hash_fallback: must be none where hash_on is none" },
        { "  hash_on: cookie\n  hash_on_cookie: c\n  hash_fallback: ip", "must be none where hash_on is cookie" },
        { "  hash_on_header: 'a b'", "f.yml:4: upstreams[0].hash_on_header: \"a b\" is no name of a header" },
        { "  hash_on_cookie_path: x", "f.yml:4: upstreams[0].hash_on_cookie_path: \"x\" is no path" },
        { "  slow_start: soon", "f.yml:4: upstreams[0].slow_start: must be a number of seconds" },
        { "  slow_start: -1", "f.yml:4: upstreams[0].slow_start: must be between 0 and 3600" },
        { "  slow_start: nan", "f.yml:4: upstreams[0].slow_start: must be a number of seconds" },
        { "  use_srv_name: true", "f.yml:4: upstreams[0].use_srv_name: is not supported" },
        { "  client_certificate: {id: x}", "f.yml:4: upstreams[0].client_certificate: is not supported" },
        { "  sticky_sessions_cookie: x", "f.yml:4: upstreams[0].sticky_sessions_cookie: is not supported" },
        { "  colour: red", "f.yml:4: upstreams[0].colour: is not a field that the edge knows" },
        { "  targets: [{target: 'a b'}]", "upstreams[0].targets[0].target: \"a b:8000\" is neither" },
        { "  targets: [{target: a, weight: 65536}]", "upstreams[0].targets[0].weight: must be between 0 and 65535" },
        { "  healthchecks:\n    threshold: 101", "f.yml:5: upstreams[0].healthchecks.threshold: must be between" },
        { "  healthchecks:\n    passive:\n      type: grpc",
          "f.yml:6: upstreams[0].healthchecks.passive.type: \"grpc\"" },
        { "  healthchecks:\n    active:\n      type: grpcs",
          "f.yml:6: upstreams[0].healthchecks.active.type: \"grpcs\"" },
        { "  healthchecks:\n    active:\n      http_path: x", "healthchecks.active.http_path: \"x\" is no path" },
        { "  healthchecks:\n    active:\n      timeout: 0", "healthchecks.active.timeout: must be between 0.001" },
        { "  healthchecks:\n    active:\n      concurrency: 0", "healthchecks.active.concurrency: must be between 1" },
        { "  healthchecks:\n    active:\n      headers: [a]", "healthchecks.active.headers: must be a map" },
        { "  healthchecks:\n    active:\n      headers: {a: b}", "healthchecks.active.headers.a: must be a list" },
        { "  healthchecks:\n    active:\n      headers: {a: [\"x\\r\\ny\"]}", "is no value of a header" },
        { "  healthchecks:\n    active:\n      healthy: {interval: x}", "healthy.interval: must be a number" },
        { "  healthchecks:\n    passive:\n      healthy: {interval: 1}", "passive.healthy.interval: is not a field" },
        { "  healthchecks:\n    passive:\n      unhealthy: {timeouts: 256}", "unhealthy.timeouts: must be between" },
        { "  healthchecks:\n    passive:\n      unhealthy: {http_statuses: [99]}", "http_statuses: must be between" },
        { "  healthchecks: on", "upstreams[0].healthchecks: must be a map" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *faults;
        struct config *config = read_fields(cases[i].fields, &faults);
        cr_expect_null(config, "%s", cases[i].fields);
        cr_expect(strstr(faults, cases[i].fault), "%s: %s", cases[i].fields, faults);
        config_unref(config);
    }
}

/* TLS to members */

Test(config_upstreams, services_say_how_members_are_verified_or_what_is_wrong)
{
    static const char ca[] = "ca_certificates: [{id: 00000000-0000-4000-8000-0000000000ca, cert: nonsense}]";
    static const struct {
        const char *services, *fault;
    } cases[] = {
        { "services: [{name: s, url: 'ftp://h'}]", "f.yml:2: services[0].url: must begin with http://, https://" },
        { "services: [{name: s, host: h, protocol: grpcs}]", "f.yml:2: services[0].protocol: \"grpcs\" is not" },
        { "services: [{name: s, url: 'http://h', tls_verify: true}]", "f.yml:2: services.tls_verify: needs protocol" },
        { "services: [{name: s, url: 'http://h', tls_verify_depth: 2}]", "services.tls_verify_depth: needs protocol" },
        { "services: [{name: s, url: 'https://h', tls_verify_depth: 65}]", "tls_verify_depth: must be between 0 and" },
        { "services: [{name: s, url: 'https://h', client_certificate: {id: x}}]", "client_certificate: is not" },
        { "services: [{name: s, url: 'https://h', ca_certificates: [x]}]", "\"x\" is no UUID" },
        { "services: [{name: s, url: 'https://h', ca_certificates: [00000000-0000-4000-8000-000000000001]}]",
          "services.ca_certificates: \"00000000-0000-4000-8000-000000000001\" is no CA certificate of this file" },
        { ca, "f.yml:2: ca_certificates[0].cert: is no certificate in PEM" },
        { "ca_certificates: [{id: x}]", "ca_certificates[0].cert: is required" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[512];
        snprintf(text, sizeof text, "_format_version: '3.0'\n%s\n", cases[i].services);
        const char *faults;
        cr_expect_null(config_from(&arena, text, &faults), "%s", text);
        cr_expect(strstr(faults, cases[i].fault), "%s: %s", text, faults);
    }
}

Test(config_upstreams, a_url_of_https_has_its_own_port)
{
    struct config *config = config_good(&arena, "_format_version: '3.0'\nservices: [{name: s, url: 'https://h/x'}]\n");
    cr_expect_eq(config->services->port, 443);
    cr_expect_not_null(config->services->tls);
    cr_expect_not(config->services->tls_verify);
    config_unref(config);
}
