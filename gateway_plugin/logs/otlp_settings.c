#include "logs/otlp_settings.h"

#include "base/percent.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

const char *const otlp_samplers[] = { "parentbased_always_on", "parentbased_traceidratio", "parentbased_always_off",
                                      NULL };
const char *const otlp_protocols[] = { "http/json", NULL };

enum { SAMPLER_ON, SAMPLER_RATIO };

/* NAME=VALUE by comma, with escapes as in W3C's baggage: %2C is a comma. false: it is none. */
static bool read_pairs(struct arena *arena, const char *text, struct named_texts *out)
{
    size_t most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    out->names.items = arena_array(arena, const char *, most);
    out->values.items = arena_array(arena, const char *, most);
    while (*text) {
        size_t size = strcspn(text, ","), name = strcspn(text, "=");
        if (!name || name >= size)
            return false;
        out->names.items[out->names.count++] = percent_decode(arena, text, name, PERCENT_LOOSE, NULL);
        out->values.items[out->values.count++] = percent_decode(arena, text + name + 1, size - name - 1, PERCENT_LOOSE,
                                                                NULL);
        text += size + (text[size] == ',');
    }
    return true;
}

static bool is_url(const char *text)
{
    return text_starts(text, "http://") || text_starts(text, "https://");
}

static bool read_url(struct ctx *ctx, const struct otlp_settings *settings, struct arena *arena,
                     struct otlp_target *out)
{
    const char *base = settings->endpoint, *whole = settings->traces_endpoint;
    if (*whole && !is_url(whole))
        return ctx_fail(ctx, ERROR_INVALID, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must begin with http:// or https://");
    if (*base && !is_url(base))
        return ctx_fail(ctx, ERROR_INVALID, "OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://");
    size_t size = strlen(base);
    while (size && base[size - 1] == '/')
        size--;
    if (*whole)
        out->url = arena_strdup(arena, whole);
    else if (*base)
        out->url = arena_printf(arena, "%.*s/v1/traces", (int)size, base);
    return true;
}

static bool read_sampler(struct ctx *ctx, const struct otlp_settings *settings, struct otlp_target *out)
{
    char *end;
    double part = strtod(settings->sampler_arg, &end);
    if (settings->sampler == SAMPLER_RATIO && (end == settings->sampler_arg || *end || !(part >= 0 && part <= 1)))
        return ctx_fail(ctx, ERROR_INVALID, "OTEL_TRACES_SAMPLER_ARG: must be a number between 0 and 1");
    out->parent_decides = true;
    out->sampled = settings->sampler == SAMPLER_ON      ? 1000
                   : settings->sampler == SAMPLER_RATIO ? (int64_t)(part * 1000 + 0.5)
                                                        : 0;
    return true;
}

bool otlp_settings_read(struct ctx *ctx, const struct otlp_settings *settings, struct arena *arena,
                        struct otlp_target *out)
{
    *out = otlp_target_defaults;
    if (!read_url(ctx, settings, arena, out) || !read_sampler(ctx, settings, out))
        return false;
    if (*settings->service)
        out->service = arena_strdup(arena, settings->service);
    if (!read_pairs(arena, settings->attributes, &out->attributes))
        return ctx_fail(ctx, ERROR_INVALID, "OTEL_RESOURCE_ATTRIBUTES: must be NAME=VALUE by comma");
    if (!secret_given(&settings->headers))
        return true;
    const char *headers = secret_value(ctx, &settings->headers);
    if (!headers)
        return false;
    if (!read_pairs(arena, headers, &out->headers))
        return ctx_fail(ctx, ERROR_INVALID, "OTEL_EXPORTER_OTLP_HEADERS: must be NAME=VALUE by comma");
    return true;
}
