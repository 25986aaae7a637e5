#pragma once
/* The settings OTEL_..., whose names and meanings are OpenTelemetry's. */
#include "logs/otlp.h"
#include "base/settings.h"

struct otlp_settings {
    const char *endpoint, *traces_endpoint, *service, *attributes, *sampler_arg;
    struct secret headers;
    int sampler, protocol;
};

extern const char *const otlp_samplers[], *const otlp_protocols[];

#define OTLP_SETTINGS(type, member)                                                                                    \
    SETTING("OTEL_EXPORTER_OTLP_ENDPOINT", SETTING_TEXT, type, member.endpoint, .value = "",                           \
            .help = "http(s)://HOST:PORT of a collector, which takes OTLP/HTTP at /v1/traces; empty: no spans"),       \
        SETTING("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", SETTING_TEXT, type, member.traces_endpoint, .value = "",         \
                .help = "the whole URL for spans, where it is another"),                                               \
        SETTING("OTEL_EXPORTER_OTLP_PROTOCOL", SETTING_ENUM, type, member.protocol, .value = "http/json",              \
                .values = otlp_protocols, .help = "how spans are sent"),                                               \
        SETTING("OTEL_EXPORTER_OTLP_HEADERS", SETTING_SECRET, type, member.headers,                                    \
                .help = "NAME=VALUE by comma, sent along with spans"),                                                 \
        SETTING("OTEL_SERVICE_NAME", SETTING_TEXT, type, member.service, .value = "tonearm-edge",                      \
                .help = "whose spans they are"),                                                                       \
        SETTING("OTEL_RESOURCE_ATTRIBUTES", SETTING_TEXT, type, member.attributes, .value = "",                        \
                .help = "NAME=VALUE by comma, said of all spans"),                                                     \
        SETTING("OTEL_TRACES_SAMPLER", SETTING_ENUM, type, member.sampler, .value = "parentbased_always_on",           \
                .values = otlp_samplers, .help = "which traces that begin here are recorded"),                         \
        SETTING("OTEL_TRACES_SAMPLER_ARG", SETTING_TEXT, type, member.sampler_arg, .value = "1",                       \
                .help = "the part of them, from 0 to 1, for parentbased_traceidratio")

/* Fills `out`, whose texts live in `arena`; its url is NULL where no endpoint is set. */
bool otlp_settings_read(struct ctx *ctx, const struct otlp_settings *settings, struct arena *arena,
                        struct otlp_target *out);
