/*
 * Metrics and their samples are put into lists and tables once and never leave
 * before the end, so finding one and writing the page take no lock; only
 * declaring takes one.
 */
#include "metrics/metrics.h"

#include "base/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES_MAX = 1024,
    SLOTS = 2 * SAMPLES_MAX, /* never full: a free slot ends every search */
    LABELS_MAX = 8,
    VALUE_MAX = 128, /* bytes of a label's value; the rest is cut */
    TEXT_MAX = LABELS_MAX * (2 * VALUE_MAX + 64)
};

enum metric_kind { COUNTER, GAUGE, HISTOGRAM, WATCH };

static const char *const type_names[] = {
    [COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram", [WATCH] = "gauge"
};

static const struct {
    int64_t us;
    const char *le;
} buckets[] = {
    { 100, "0.0001" }, { 250, "0.00025" }, { 500, "0.0005" }, { 1000, "0.001" },  { 2500, "0.0025" }, { 5000, "0.005" },
    { 10000, "0.01" }, { 25000, "0.025" }, { 50000, "0.05" }, { 100000, "0.1" },  { 250000, "0.25" }, { 500000, "0.5" },
    { 1000000, "1" },  { 2500000, "2.5" }, { 5000000, "5" },  { 10000000, "10" },
};
enum { BUCKETS = sizeof buckets / sizeof *buckets };

struct sample {
    _Atomic int64_t value;   /* HISTOGRAM: microseconds in all */
    _Atomic int64_t *counts; /* HISTOGRAM: BUCKETS and one for what is longer; not cumulative */
    char labels[];           /* `method="GET",status="200"` */
};

struct metric {
    _Atomic(struct metric *) next;
    enum metric_kind kind;
    const char *name, *help;
    struct {
        const char *name;
        size_t size;
    } labels[LABELS_MAX];
    size_t label_count;
    atomic_size_t sample_count;
    _Atomic(struct sample *) slots[SLOTS];
    struct sample *other; /* for values past the bound */
    int64_t (*read)(void *self);
    void *self;
};

struct metrics {
    pthread_mutex_t declaring;
    _Atomic(struct metric *) first;
};

struct metrics *metrics_create(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        abort();
    pthread_mutex_init(&metrics->declaring, NULL);
    return metrics;
}

static void sample_free(struct sample *sample)
{
    if (sample)
        free(sample->counts);
    free(sample);
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (struct metric *metric = metrics->first, *next; metric; metric = next) {
        next = metric->next;
        for (size_t i = 0; i < SLOTS; i++)
            sample_free(metric->slots[i]);
        sample_free(metric->other);
        free(metric);
    }
    pthread_mutex_destroy(&metrics->declaring);
    free(metrics);
}

static struct sample *sample_new(const struct metric *metric, const char *labels)
{
    size_t size = strlen(labels) + 1;
    struct sample *sample = calloc(1, sizeof *sample + size);
    if (sample && metric->kind == HISTOGRAM)
        sample->counts = calloc(BUCKETS + 1, sizeof *sample->counts);
    if (!sample || (metric->kind == HISTOGRAM && !sample->counts))
        abort();
    memcpy(sample->labels, labels, size);
    return sample;
}

/* Text on the stack: looking a sample up allocates nothing. */
struct label_text {
    char data[TEXT_MAX];
    size_t size;
};

static void put(struct label_text *text, const char *data, size_t size)
{
    if (text->size + size >= sizeof text->data)
        size = sizeof text->data - 1 - text->size;
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

/* Escaped as the format wants it; what is not UTF-8 becomes "?". Cut at a whole character. */
static void put_value(struct label_text *text, const char *value)
{
    for (const char *c = value; *c;) {
        size_t n = utf8_length(c);
        if ((size_t)(c - value) + (n ? n : 1) > VALUE_MAX)
            return;
        if (*c == '\\' || *c == '"')
            put(text, "\\", 1);
        if (*c == '\n')
            put(text, "\\n", 2);
        else
            put(text, n ? c : "?", n ? n : 1);
        c += n ? n : 1;
    }
}

static void put_label(struct label_text *text, const struct metric *metric, size_t i, const char *value)
{
    if (i)
        put(text, ",", 1);
    put(text, metric->labels[i].name, metric->labels[i].size);
    put(text, "=\"", 2);
    put_value(text, value);
    put(text, "\"", 1);
}

static void split_labels(struct metric *metric, const char *labels)
{
    struct label_text other = { .size = 0 };
    while (labels && *labels) {
        if (metric->label_count == LABELS_MAX)
            abort(); /* a declaration, not an input */
        size_t size = strcspn(labels, ",");
        metric->labels[metric->label_count].name = labels;
        metric->labels[metric->label_count].size = size;
        put_label(&other, metric, metric->label_count++, "other");
        labels += size + (labels[size] == ',');
    }
    other.data[other.size] = 0;
    metric->other = sample_new(metric, other.data);
}

static struct metric *metric_new(struct metric described, const char *labels)
{
    struct metric *metric = malloc(sizeof *metric);
    if (!metric)
        abort();
    *metric = described;
    split_labels(metric, labels);
    if (!metric->label_count)
        metric_sample(metric, (char *)NULL); /* shows 0 from the start */
    return metric;
}

/* The one of that name where there is one already: two parts of a process may count the same thing. */
static struct metric *declare(struct metrics *metrics, struct metric described, const char *labels)
{
    pthread_mutex_lock(&metrics->declaring);
    _Atomic(struct metric *) *end = &metrics->first;
    while (*end && !text_equal((*end)->name, described.name))
        end = &(*end)->next;
    struct metric *metric = *end;
    if (!metric)
        atomic_store(end, metric = metric_new(described, labels));
    else if (metric->kind != described.kind)
        abort();
    pthread_mutex_unlock(&metrics->declaring);
    return metric;
}

struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
    return declare(metrics, (struct metric){ .kind = COUNTER, .name = name, .help = help }, labels);
}

struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
    return declare(metrics, (struct metric){ .kind = GAUGE, .name = name, .help = help }, labels);
}

struct metric *metric_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels)
{
    return declare(metrics, (struct metric){ .kind = HISTOGRAM, .name = name, .help = help }, labels);
}

void metric_watch(struct metrics *metrics, const char *name, const char *help, int64_t (*read)(void *self), void *self)
{
    declare(metrics, (struct metric){ .kind = WATCH, .name = name, .help = help, .read = read, .self = self }, NULL);
}

static struct sample *find_or_make(struct metric *metric, const char *labels)
{
    uint32_t hash = 2166136261u; /* FNV-1a; the bound, not the hash, is what holds against made-up values */
    for (const char *c = labels; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = hash;; i++) {
        _Atomic(struct sample *) *slot = &metric->slots[i % SLOTS];
        struct sample *sample = atomic_load_explicit(slot, memory_order_acquire);
        if (!sample) {
            if (atomic_fetch_add(&metric->sample_count, 1) >= SAMPLES_MAX) {
                atomic_fetch_sub(&metric->sample_count, 1);
                return metric->other;
            }
            struct sample *made = sample_new(metric, labels);
            if (atomic_compare_exchange_strong(slot, &sample, made))
                return made;
            atomic_fetch_sub(&metric->sample_count, 1);
            sample_free(made); /* another thread was faster; `sample` is its */
        }
        if (strcmp(sample->labels, labels) == 0)
            return sample;
    }
}

struct sample *metric_sample(struct metric *metric, ...)
{
    struct label_text text = { .size = 0 };
    va_list args;
    va_start(args, metric);
    for (size_t i = 0; i < metric->label_count; i++) {
        const char *value = va_arg(args, const char *);
        if (!value)
            abort(); /* fewer values than labels */
        put_label(&text, metric, i, value);
    }
    va_end(args);
    text.data[text.size] = 0;
    return find_or_make(metric, text.data);
}

void sample_add(struct sample *sample, int64_t by)
{
    atomic_fetch_add_explicit(&sample->value, by, memory_order_relaxed);
}

void sample_set(struct sample *sample, int64_t value)
{
    atomic_store_explicit(&sample->value, value, memory_order_relaxed);
}

void sample_observe_us(struct sample *sample, int64_t microseconds)
{
    int i = 0;
    while (i < BUCKETS && microseconds > buckets[i].us)
        i++;
    atomic_fetch_add_explicit(&sample->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sample->value, microseconds, memory_order_relaxed);
}

int64_t sample_value(const struct sample *sample)
{
    if (!sample->counts)
        return atomic_load_explicit(&sample->value, memory_order_relaxed);
    int64_t count = 0;
    for (int i = 0; i <= BUCKETS; i++)
        count += atomic_load_explicit(&sample->counts[i], memory_order_relaxed);
    return count;
}

static void write_line(struct buf *out, const struct metric *metric, const struct sample *sample, int64_t value)
{
    const char *open = *sample->labels ? "{" : "", *close = *sample->labels ? "}" : "";
    buf_printf(out, "%s%s%s%s %lld\n", metric->name, open, sample->labels, close, (long long)value);
}

static void write_histogram(struct buf *out, const struct metric *metric, const struct sample *sample)
{
    const char *comma = *sample->labels ? "," : "";
    const char *open = *sample->labels ? "{" : "", *close = *sample->labels ? "}" : "";
    int64_t count = 0;
    for (int i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&sample->counts[i], memory_order_relaxed);
        buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", metric->name, sample->labels, comma,
                   i < BUCKETS ? buckets[i].le : "+Inf", (long long)count);
    }
    int64_t us = atomic_load_explicit(&sample->value, memory_order_relaxed);
    buf_printf(out, "%s_sum%s%s%s %lld.%06lld\n", metric->name, open, sample->labels, close, (long long)(us / 1000000),
               (long long)(us % 1000000));
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
        write_help(out, metric);
        for (size_t i = 0; i < SLOTS; i++) {
            struct sample *sample = atomic_load_explicit(&metric->slots[i], memory_order_acquire);
            if (sample)
                write_sample(out, metric, sample);
        }
        if (metric->label_count && sample_value(metric->other))
            write_sample(out, metric, metric->other);
    }
}
