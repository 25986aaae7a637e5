/* The page, in Prometheus' text format 0.0.4. */
#include "metrics/metrics_parts.h"

static const char *const type_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [WATCH] = "gauge"
};

static void write_line(struct buf *out, const struct metric *metric, const struct sample *sample, int64_t value)
{
    const char *open = *sample->labels ? "{" : "", *close = *sample->labels ? "}" : "";
    buf_printf(out, "%s%s%s%s %lld\n", metric->name, open, sample->labels, close, (long long)value);
}

static int digits(int64_t power)
{
    int out = 0;
    for (; power >= 10; power /= 10)
        out++;
    return out;
}

static void write_histogram(struct buf *out, const struct metric *metric, const struct sample *sample)
{
    const struct bounds *bounds = sample->bounds;
    const char *comma = *sample->labels ? "," : "";
    const char *open = *sample->labels ? "{" : "", *close = *sample->labels ? "}" : "";
    int64_t count = 0;
    for (size_t i = 0; i <= bounds->count; i++) {
        count += sample_bucket(sample, i);
        buf_printf(out, "%s_bucket{%s%sle=\"", metric->name, sample->labels, comma);
        if (i < bounds->count)
            buf_printf(out, "%g", (double)bounds->us[i] / (double)bounds->unit_us);
        buf_printf(out, "%s\"} %lld\n", i < bounds->count ? "" : "+Inf", (long long)count);
    }
    int64_t us = atomic_load_explicit(&sample->value, memory_order_relaxed);
    buf_printf(out, "%s_sum%s%s%s %lld.%0*lld\n", metric->name, open, sample->labels, close,
               (long long)(us / bounds->unit_us), digits(bounds->unit_us), (long long)(us % bounds->unit_us));
    buf_printf(out, "%s_count%s%s%s %lld\n", metric->name, open, sample->labels, close, (long long)count);
}

static void write_sample(struct buf *out, const struct metric *metric, const struct sample *sample)
{
    if (metric->kind == HISTOGRAM)
        write_histogram(out, metric, sample);
    else if (metric->kind == WATCH)
        write_line(out, metric, sample, metric->read(metric->self));
    else
        write_line(out, metric, sample, sample_value(sample));
}

static void write_help(struct buf *out, const struct metric *metric)
{
    buf_printf(out, "# HELP %s ", metric->name);
    for (const char *c = metric->help ? metric->help : ""; *c; c++)
        if (*c == '\\' || *c == '\n')
            buf_text(out, *c == '\n' ? "\\n" : "\\\\");
        else
            buf_char(out, *c);
    buf_printf(out, "\n# TYPE %s %s\n", metric->name, type_names[metric->kind]);
}

void metrics_write(struct metrics *metrics, struct buf *out)
{
    for (struct metric *metric = atomic_load(&metrics->first); metric; metric = atomic_load(&metric->next)) {
        if (!metric->first)
            continue; /* nothing has been counted under this name */
        write_help(out, metric);
        for (struct sample *sample = NULL; (sample = metric_next(metric, sample));)
            write_sample(out, metric, sample);
        if (metric->label_count && sample_value(metric->other))
            write_sample(out, metric, metric->other);
    }
}
