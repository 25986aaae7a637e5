/*
 * Kong's opentelemetry: the requests of a route are recorded as spans and sent to
 * a collector. The settings OTEL_... do the same for all requests; where both are
 * there, the plugin's collector has those of its routes.
 */
#include "plugins/plugins.h"

#include "base/text.h"
#include "exchange/exchange.h"
#include "logs/otlp.h"

enum { COUNT_MAX = 1000000, SECOND_MS = 1000, HOUR_MS = 3600 * 1000 };

struct opentelemetry {
    struct otlp_target target;
    const char *traces_endpoint, *endpoint; /* the second is the older name */
    const char *trace_id_header;
    int64_t span_count, flush_delay; /* older names too; 0: not given */
    int strategy;
};

static bool is_url(const char *text)
{
    return (strncmp(text, "http://", 7) == 0 && text[7]) || (strncmp(text, "https://", 8) == 0 && text[8]);
}

static bool is_header_name(const char *text)
{
    return is_token(text, strlen(text)) && strlen(text) <= 64;
}

#define QUEUE(name_, kind_, member_, min_, max_)                                                                       \
    OPTION(name_, kind_, struct otlp_target, member_, .min = (min_), .max = (max_))

static const struct option queue_options[] = {
    QUEUE("max_batch_size", OPTION_INTEGER, batch_max, 1, COUNT_MAX),
    QUEUE("max_coalescing_delay", OPTION_SECONDS, delay_ms, 0, HOUR_MS),
    QUEUE("max_entries", OPTION_INTEGER, entries_max, 1, COUNT_MAX),
    QUEUE("max_bytes", OPTION_INTEGER, bytes_max, 1, 1 << 30),
    QUEUE("max_retry_time", OPTION_SECONDS, retry_ms, 0, HOUR_MS),
    QUEUE("initial_retry_delay", OPTION_SECONDS, retry_first_ms, 1, HOUR_MS),
    QUEUE("max_retry_delay", OPTION_SECONDS, retry_most_ms, 1, HOUR_MS),
    { .name = "concurrency_limit",
      .kind = OPTION_FIXED,
      .only = "1",
      .instead = "a process sends one batch at a time" },
    { 0 },
};

static const char w3c_only[] = "the edge speaks W3C Trace Context";

static const struct option propagation_options[] = {
    { .name = "extract", .kind = OPTION_FIXED, .only = "w3c", .instead = w3c_only },
    { .name = "inject", .kind = OPTION_FIXED, .only = "w3c,preserve", .instead = w3c_only },
    { .name = "clear", .kind = OPTION_REFUSED, .instead = "request-transformer removes headers" },
    { .name = "default_format", .kind = OPTION_FIXED, .only = "w3c", .instead = w3c_only },
    { 0 },
};

static const char *const strategies[] = { "parent_drop_probability_fallback", "parent_probability_fallback", NULL };

#define URL_RULE .valid = is_url, .rule = "must begin with http:// or https://"
#define TIMEOUT(name_, member_)                                                                                        \
    OPTION(name_, OPTION_INTEGER, struct opentelemetry, target.member_, .min = 1, .max = HOUR_MS)

static const struct option options[] = {
    OPTION("traces_endpoint", OPTION_TEXT, struct opentelemetry, traces_endpoint, URL_RULE),
    OPTION("endpoint", OPTION_TEXT, struct opentelemetry, endpoint, URL_RULE),
    { .name = "logs_endpoint", .kind = OPTION_REFUSED, .instead = "file-log and EDGE_ACCESS_LOG write logs" },
    { .name = "access_logs_endpoint", .kind = OPTION_REFUSED, .instead = "file-log and EDGE_ACCESS_LOG write them" },
    { .name = "access_logs", .kind = OPTION_REFUSED, .instead = "file-log and EDGE_ACCESS_LOG write them" },
    { .name = "metrics", .kind = OPTION_REFUSED, .instead = "the admin's side has /metrics for Prometheus" },
    OPTION("headers", OPTION_NAMED, struct opentelemetry, target.headers, .valid = is_header_name,
           .rule = "is no header name", .secret = true),
    OPTION("resource_attributes", OPTION_NAMED, struct opentelemetry, target.attributes),
    OPTION("queue", OPTION_MAP, struct opentelemetry, target, .fields = queue_options),
    OPTION("batch_span_count", OPTION_INTEGER, struct opentelemetry, span_count, .min = 1, .max = COUNT_MAX),
    OPTION("batch_flush_delay", OPTION_INTEGER, struct opentelemetry, flush_delay, .min = 1, .max = 3600),
    TIMEOUT("connect_timeout", connect_ms),
    TIMEOUT("send_timeout", send_ms),
    TIMEOUT("read_timeout", read_ms),
    OPTION("http_response_header_for_traceid", OPTION_TEXT, struct opentelemetry, trace_id_header,
           .valid = is_header_name, .rule = "is no header name"),
    { .name = "header_type", .kind = OPTION_FIXED, .only = "preserve,w3c", .instead = w3c_only },
    OPTION("sampling_rate", OPTION_PART, struct opentelemetry, target.sampled),
    OPTION("sampling_strategy", OPTION_CHOICE, struct opentelemetry, strategy, .choices = strategies),
    OPTION("propagation", OPTION_MAP, struct opentelemetry, target, .fields = propagation_options),
    { 0 },
};

static void defaults(void *config)
{
    *(struct opentelemetry *)config = (struct opentelemetry){ .target = otlp_target_defaults };
}

static void check(struct faults *faults, const char *path, const struct node *node, const void *config)
{
    const struct opentelemetry *self = config;
    if (!self->traces_endpoint && !self->endpoint && !node_get(node, "traces_endpoint") && !node_get(node, "endpoint"))
        fault(faults, node->line, field_path(faults, path, "traces_endpoint"), "is required");
}

static void prepare(struct arena *arena, const struct kong_plugin *row, void *config)
{
    struct opentelemetry *self = config;
    struct otlp_target *target = &self->target;
    (void)row;
    if (self->trace_id_header)
        self->trace_id_header = text_lower(arena, self->trace_id_header);
    target->url = self->traces_endpoint ? self->traces_endpoint : self->endpoint;
    target->parent_decides = self->strategy == 1;
    if (self->span_count)
        target->batch_max = self->span_count;
    if (self->flush_delay)
        target->delay_ms = self->flush_delay * SECOND_MS;
}

static enum verdict access_trace(struct exchange *x, const void *config)
{
    tracing_choose(x, &((const struct opentelemetry *)config)->target);
    return VERDICT_NEXT;
}

static void show_id(struct exchange *x, const void *config)
{
    const char *name = ((const struct opentelemetry *)config)->trace_id_header;
    if (name)
        exchange_header(x, name, exchange_printf(x, "%.32s", x->traceparent + TRACE_AT));
}

const struct plugin opentelemetry_plugin = {
    .name = "opentelemetry",
    .config_size = sizeof(struct opentelemetry),
    .options = options,
    .defaults = defaults,
    .check = check,
    .prepare = prepare,
    .access = access_trace,
    .header = show_id,
};
