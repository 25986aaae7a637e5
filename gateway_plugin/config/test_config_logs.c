/* Every field of Kong's for the plugins that log: used, or refused with its line. */
#include "config/config_text.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(config_logs, .fini = teardown);

/* What is wrong with a plugin's `config`, which stands on line 3. */
static const char *faults_of(const char *plugin, const char *config)
{
    return config_faults(
        &arena, arena_printf(&arena, "_format_version: '3.0'\nplugins:\n  - {name: %s, config: %s}\n", plugin, config));
}

struct row {
    const char *config, *fault; /* NULL: taken */
};

static void expect(const char *plugin, const struct row *rows)
{
    for (; rows->config; rows++) {
        const char *faults = faults_of(plugin, rows->config);
        if (rows->fault)
            cr_expect(strstr(faults, arena_printf(&arena, "f.yml:3: plugins[0].config%s", rows->fault)), "%s: %s",
                      rows->config, faults);
        else
            cr_expect_str_eq(faults, "", "%s: %s", rows->config, faults);
    }
}

Test(config_logs, file_log_has_kongs_fields)
{
    static const struct row rows[] = {
        { "{path: /var/log/edge.log}", NULL },
        { "{path: /dev/stdout, reopen: true}", NULL },
        { "{}", ".path: is required" },
        { "null", ".path: is required" },
        { "{path: ''}", ".path: must not be empty" },
        { "{path: '/a*'}", ".path: \"/a*\" is no path of a file" },
        { "{path: /var/log/}", ".path: \"/var/log/\" is no path of a file" },
        { "{path: /a, reopen: 1}", ".reopen: must be true or false" },
        { "{path: /a, custom_fields_by_lua: {x: 'return 1'}}", ".custom_fields_by_lua: is not supported" },
        { "{path: /a, format: json}", ".format: is not a field" },
        { 0 },
    };
    expect("file-log", rows);
}

#define WITH(more) "{traces_endpoint: 'http://h:4318/v1/traces', " more "}"

Test(config_logs, opentelemetry_has_kongs_fields)
{
    static const struct row rows[] = {
        { "{traces_endpoint: 'https://h/v1/traces'}", NULL },
        { "{endpoint: 'http://h:4318/v1/traces'}", NULL },
        { "{}", ".traces_endpoint: is required" },
        { "{endpoint: 'grpc://h'}", ".endpoint: \"grpc://h\" must begin with http:// or https://" },
        { "{traces_endpoint: 'http://'}", ".traces_endpoint: \"http://\" must begin" },
        { WITH("headers: {x-token: abc}"), NULL },
        { WITH("headers: {'x y': abc}"), ".headers.x y: is no header name" },
        { WITH("headers: [a]"), ".headers: must be a map" },
        { WITH("headers: {a: [b]}"), ".headers.a: must be text" },
        { WITH("resource_attributes: {a: b, c: 'd'}"), NULL },
        { WITH("resource_attributes: {a: ''}"), ".resource_attributes.a: must be text, and not empty" },
        { WITH("batch_span_count: 100, batch_flush_delay: 2"), NULL },
        { WITH("batch_span_count: 0"), ".batch_span_count: must be between" },
        { WITH("batch_flush_delay: x"), ".batch_flush_delay: must be a whole number" },
        { WITH(
              "queue: {max_batch_size: 5, max_coalescing_delay: 0.5, max_entries: 10, max_bytes: 1000, max_retry_time: "
              "9, initial_retry_delay: 0.01, max_retry_delay: 1, concurrency_limit: 1}"),
          NULL },
        { WITH("queue: {concurrency_limit: -1}"), ".queue.concurrency_limit: is not supported but for: 1" },
        { WITH("queue: {max_batch_size: 0}"), ".queue.max_batch_size: must be between" },
        { WITH("queue: {x: 0}"), ".queue.x: is not a field" },
        { WITH("connect_timeout: 1, send_timeout: 2, read_timeout: 3"), NULL },
        { WITH("connect_timeout: 0"), ".connect_timeout: must be between" },
        { WITH("send_timeout: 0"), ".send_timeout: must be between" },
        { WITH("read_timeout: 0"), ".read_timeout: must be between" },
        { WITH("http_response_header_for_traceid: X-Trace"), NULL },
        { WITH("http_response_header_for_traceid: 'X Trace'"), ".http_response_header_for_traceid: \"X Trace\" is no" },
        { WITH("header_type: w3c"), NULL },
        { WITH("header_type: b3"), ".header_type: is not supported but for: preserve,w3c" },
        { WITH("sampling_rate: 0.25"), NULL },
        { WITH("sampling_rate: 2"), ".sampling_rate: must be between 0 and 1" },
        { WITH("sampling_strategy: parent_drop_probability_fallback"), NULL },
        { WITH("sampling_strategy: parent_probability_fallback"), NULL },
        { WITH("sampling_strategy: x"), ".sampling_strategy: \"x\" is not supported" },
        { WITH("propagation: {extract: [w3c], inject: [preserve], default_format: w3c}"), NULL },
        { WITH("propagation: {extract: [b3]}"), ".propagation.extract: is not supported" },
        { WITH("propagation: {inject: [jaeger]}"), ".propagation.inject: is not supported" },
        { WITH("propagation: {clear: [x]}"), ".propagation.clear: is not supported" },
        { WITH("propagation: {default_format: b3}"), ".propagation.default_format: is not supported" },
        { WITH("logs_endpoint: 'http://h'"), ".logs_endpoint: is not supported by the edge: file-log" },
        { WITH("access_logs_endpoint: 'http://h'"), ".access_logs_endpoint: is not supported" },
        { WITH("access_logs: {}"), ".access_logs: is not supported" },
        { WITH("metrics: {}"), ".metrics: is not supported" },
        { 0 },
    };
    expect("opentelemetry", rows);
}
