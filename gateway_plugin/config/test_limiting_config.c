/* What the plugins that keep requests out refuse to be told, each with its line. */
#include "config/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *plugin, *config, *fault; /* NULL: it is right */
} cases[] = {
    { "ip-restriction", "{}", "allow: or deny must name an address at least" },
    { "ip-restriction", "{allow: []}", "allow: or deny must name an address at least" },
    { "ip-restriction", "{allow: [10.0.0.1, '::1', 10.0.0.0/8, '2001:db8::/32']}", NULL },
    { "ip-restriction", "{allow: [10.0.0.256]}", "allow: \"10.0.0.256\" is no address and no CIDR (10.0.0.1," },
    { "ip-restriction", "{deny: [10.0.0.0/33]}", "deny: \"10.0.0.0/33\" is no address" },
    { "ip-restriction", "{deny: ['2001:db8::/129']}", "deny: \"2001:db8::/129\" is no address" },
    { "ip-restriction", "{whitelist: [x]}", "whitelist: \"x\" is no address" },
    { "ip-restriction", "{allow: [10.0.0.1], whitelist: [10.0.0.1]}", "whitelist: is the old name of allow" },
    { "ip-restriction", "{deny: [10.0.0.1], blacklist: [10.0.0.1]}", "blacklist: is the old name of deny" },
    { "ip-restriction", "{deny: [10.0.0.1], status: 99}", "status: must be between 200 and 599" },
    { "ip-restriction", "{deny: [10.0.0.1], message: ''}", "message: must not be empty" },
    { "ip-restriction", "{deny: [10.0.0.1], nonsense: 1}", "nonsense: is not a field" },
    { "cors", "{}", NULL },
    { "cors", "{origins: ['http://(a']}", "origins: \"http://(a\" is neither *, an origin" },
    { "cors", "{methods: [GET, BREW]}", "methods: \"BREW\" is not supported" },
    { "cors", "{headers: ['a b']}", "headers: \"a b\" is no header name" },
    { "cors", "{exposed_headers: [\"a\\r\\nb\"]}", "exposed_headers: " },
    { "cors", "{max_age: x}", "max_age: must be a whole number" },
    { "cors", "{credentials: 1}", "credentials: must be true or false" },
    { "cors", "{preflight_continue: 1}", "preflight_continue: must be true or false" },
    { "cors", "{private_network: 1}", "private_network: must be true or false" },
    { "cors", "{allow_origin_absent: 1}", "allow_origin_absent: must be true or false" },
    { "correlation-id", "{header_name: 'a b'}", "header_name: \"a b\" is no header name" },
    { "correlation-id", "{generator: snowflake}", "generator: \"snowflake\" is not supported (uuid#counter, uuid, " },
    { "correlation-id", "{echo_downstream: 1}", "echo_downstream: must be true or false" },
    { "request-size-limiting", "{allowed_payload_size: -1}", "allowed_payload_size: must be between 0" },
    { "request-size-limiting", "{size_unit: gigabytes}", "size_unit: \"gigabytes\" is not supported" },
    { "rate-limiting", "{}", "minute: or another limit must be given: second, minute, hour, day, month, year" },
    { "rate-limiting", "{minute: ~}", "minute: or another limit must be given" },
    { "rate-limiting", "{second: 1, minute: 1, hour: 2, day: 2, month: 3, year: 3, limit_by: ip, policy: local}",
      NULL },
    { "rate-limiting", "{minute: 5, hour: 4}", "hour: must not be lower than the limit of a minute" },
    { "rate-limiting", "{second: 5, year: 4}", "year: must not be lower than the limit of a second" },
    { "rate-limiting", "{second: 0}", "second: must be between 1 and" },
    { "rate-limiting", "{minute: 1.5}", "minute: must be a whole number" },
    { "rate-limiting", "{hour: -1}", "hour: must be between 1 and" },
    { "rate-limiting", "{day: x}", "day: must be a whole number" },
    { "rate-limiting", "{month: '1'}", "month: must be a whole number" },
    { "rate-limiting", "{year: []}", "year: must be a whole number" },
    { "rate-limiting", "{day: 1, limit_by: mood}", "limit_by: \"mood\" is not supported (consumer, credential, ip, " },
    { "rate-limiting", "{day: 1, limit_by: header}", "header_name: is required with limit_by header" },
    { "rate-limiting", "{day: 1, limit_by: path}", "path: is required with limit_by path" },
    { "rate-limiting", "{day: 1, header_name: 'a b'}", "header_name: \"a b\" is no header name" },
    { "rate-limiting", "{day: 1, path: a}", "path: \"a\" must begin with a slash" },
    { "rate-limiting", "{day: 1, policy: cluster}",
      "policy: \"cluster\" is not supported (local, redis): cluster counts in Kong's database, which is not" },
    { "rate-limiting", "{day: 1, policy: redis}", "redis.host: is required with policy redis" },
    { "rate-limiting", "{day: 1, policy: redis, redis: {host: h}}", NULL },
    { "rate-limiting", "{day: 1, policy: redis, redis_host: h, redis_port: 1, redis_database: 2}", NULL },
    { "rate-limiting", "{day: 1, redis: {port: 0}}", "redis.port: must be between 1 and 65535" },
    { "rate-limiting", "{day: 1, redis: {timeout: 0}}", "redis.timeout: must be between 1" },
    { "rate-limiting", "{day: 1, redis: {database: -1}}", "redis.database: must be between 0" },
    { "rate-limiting", "{day: 1, redis: {ssl: true}}",
      "redis.ssl: is not supported but for: false: hiredis has no TLS" },
    { "rate-limiting", "{day: 1, redis: {ssl: false, ssl_verify: false}}", NULL },
    { "rate-limiting", "{day: 1, redis: {ssl_verify: true}}", "redis.ssl_verify: is not supported but for: false: " },
    { "rate-limiting", "{day: 1, redis: {server_name: x}}", "redis.server_name: is not supported by the edge: " },
    { "rate-limiting", "{day: 1, redis: {username: ''}}", "redis.username: must not be empty" },
    { "rate-limiting", "{day: 1, redis: {password: []}}", "redis.password: must be text" },
    { "rate-limiting", "{day: 1, redis: {nonsense: 1}}", "redis.nonsense: is not a field" },
    { "rate-limiting", "{day: 1, redis: {host: h}, redis_port: 1}", "redis_port: is the old name of redis.port, and " },
    { "rate-limiting", "{day: 1, redis_timeout: 0}", "redis_timeout: must be between 1" },
    { "rate-limiting", "{day: 1, redis_username: []}", "redis_username: must be text" },
    { "rate-limiting", "{day: 1, redis_password: []}", "redis_password: must be text" },
    { "rate-limiting", "{day: 1, redis_ssl: true}", "redis_ssl: is not supported but for: false: " },
    { "rate-limiting", "{day: 1, redis_ssl_verify: true}", "redis_ssl_verify: is not supported but for: false: " },
    { "rate-limiting", "{day: 1, redis_server_name: x}", "redis_server_name: is not supported by the edge: " },
    { "rate-limiting", "{day: 1, fault_tolerant: 1}", "fault_tolerant: must be true or false" },
    { "rate-limiting", "{day: 1, hide_client_headers: 1}", "hide_client_headers: must be true or false" },
    { "rate-limiting", "{day: 1, error_code: 200}", "error_code: must be between 400 and 599" },
    { "rate-limiting", "{day: 1, error_message: ''}", "error_message: must not be empty" },
    { "rate-limiting", "{day: 1, sync_rate: -1}", NULL },
    { "rate-limiting", "{day: 1, sync_rate: 0.5}", NULL },
    { "rate-limiting", "{day: 1, sync_rate: 10}", NULL },
    { "rate-limiting", "{day: 1, sync_rate: 0}", "sync_rate: must be -1 (every request is counted" },
    { "rate-limiting", "{day: 1, sync_rate: 0.01}", "sync_rate: must be -1 (every request is counted" },
    { "rate-limiting", "{day: 1, sync_rate: -2}", "sync_rate: must be between -1 and 3600" },
    { "rate-limiting", "{day: 1, sync_rate: soon}", "sync_rate: must be a number of seconds" },
    { "rate-limiting", "{day: 1, sync_rate: 4000}", "sync_rate: must be between -1 and 3600" },
    { "request-size-limiting", "{require_content_length: 1}", "require_content_length: must be true or false" },
};

static void expect(const char *text, const char *expected)
{
    struct arena arena = { 0 };
    struct faults faults = FAULTS(&arena, "f.yml");
    struct buf out = BUF(&arena);
    struct config *config = config_read(&faults, text, strlen(text));
    faults_write(&faults, &out);
    cr_expect_eq(faults.count, expected ? 1u : 0u, "%s%s", text, out.data ? out.data : "");
    cr_expect_eq(config == NULL, expected != NULL);
    char start[256];
    snprintf(start, sizeof start, "f.yml:4: plugins[0].config.%s", expected ? expected : "");
    cr_expect(!expected || (out.data && strncmp(out.data, start, strlen(start)) == 0), "%s: %s", start, out.data);
    config_unref(config);
    arena_free(&arena);
}

Test(limiting_config, is_refused_with_its_line)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text, "_format_version: '3.0'\nplugins:\n- name: %s\n  config: %s\n", cases[i].plugin,
                 cases[i].config);
        expect(text, cases[i].fault);
    }
}
