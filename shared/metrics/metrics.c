/*
 * Metrics and their samples are put into lists and tables once and never leave
 * before the end, so finding one and writing the page take no lock; only
 * declaring takes one.
 */
#include "metrics/metrics_parts.h"

#include "base/shared_memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    SAMPLES_MAX = 1024, /* of a metric, where nothing else is said */
    VALUE_MAX = 128,    /* bytes of a label's value; the rest is cut */
    TEXT_MAX = LABELS_MAX * (2 * VALUE_MAX + 64)
};

static const int64_t seconds[] = { 100,   250,    500,    1000,   2500,    5000,    10000,   25000,
                                   50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000 };
static const struct bounds in_seconds = { seconds, sizeof seconds / sizeof *seconds, 1000000 };

struct metrics *metrics_create(void)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics)
        abort();
    pthread_mutex_init(&metrics->declaring, NULL);
    metrics->samples_max = SAMPLES_MAX;
    return metrics;
}

struct metrics *metrics_create_shared(size_t size, size_t samples_max)
{
    struct metrics *metrics = shared_memory_create(size);
    pthread_mutex_init(&metrics->declaring, NULL);
    metrics->room = size;
    metrics->samples_max = samples_max;
    metrics->used = sizeof *metrics;
    return metrics;
}

/* Zeroes; NULL: what is shared is full. */
static void *take(struct metrics *metrics, size_t size)
{
    void *out = NULL;
    size = (size + 15) & ~(size_t)15;
    if (!metrics->room && !(out = calloc(1, size)))
        abort();
    if (!metrics->room)
        return out;
    size_t at = (atomic_fetch_add(&metrics->used, size) + 15) & ~(size_t)15;
    return at + size <= metrics->room ? (char *)metrics + at : NULL;
}

/* What is shared stays until the end: it is little, and rare. */
static void sample_free(struct metrics *metrics, struct sample *sample)
{
    if (!metrics->room)
        free(sample);
}

void metrics_destroy(struct metrics *metrics)
{
    if (!metrics)
        return;
    if (metrics->room) {
        shared_memory_destroy(metrics, metrics->room);
        return;
    }
    for (struct metric *metric = metrics->first, *next; metric; metric = next) {
        next = metric->next;
        for (struct sample *sample = metric->first, *after; sample; sample = after) {
            after = sample->next;
            sample_free(metrics, sample);
        }
        sample_free(metrics, metric->other);
        free(metric);
    }
    pthread_mutex_destroy(&metrics->declaring);
    free(metrics);
}

static struct sample *sample_new(const struct metric *metric, const char *labels)
{
    size_t size = strlen(labels) + 1, counts = metric->bounds ? metric->bounds->count + 1 : 0;
    struct sample *sample = take(metric->metrics, sizeof *sample + counts * sizeof *sample->counts + size);
    if (!sample)
        return NULL;
    sample->labels = (char *)(sample->counts + counts);
    sample->bounds = metric->bounds;
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
    if (!metric->other)
        abort();
}

static struct metric *metric_new(struct metric described, const char *labels)
{
    size_t slots = labels ? 2 * described.metrics->samples_max : 2;
    struct metric *metric = take(described.metrics, sizeof *metric + slots * sizeof *metric->slots);
    if (!metric)
        abort();
    *metric = described;
    metric->slot_count = slots;
    split_labels(metric, labels);
    if (!metric->label_count)
        metric_sample(metric, (char *)NULL); /* shows 0 from the start */
    return metric;
}

/* The one of that name where there is one already: two parts of a process may count the same thing. */
static struct metric *declare(struct metrics *metrics, struct metric described, const char *labels)
{
    described.metrics = metrics;
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
    return metric_histogram_of(metrics, name, help, labels, &in_seconds);
}

struct metric *metric_histogram_of(struct metrics *metrics, const char *name, const char *help, const char *labels,
                                   const struct bounds *bounds)
{
    return declare(metrics, (struct metric){ .kind = HISTOGRAM, .name = name, .help = help, .bounds = bounds }, labels);
}

void metric_watch(struct metrics *metrics, const char *name, const char *help, int64_t (*read)(void *self), void *self)
{
    declare(metrics, (struct metric){ .kind = WATCH, .name = name, .help = help, .read = read, .self = self }, NULL);
}

static void add_to_list(struct metric *metric, struct sample *sample)
{
    struct sample *first = metric->first;
    do
        sample->next = first;
    while (!atomic_compare_exchange_weak(&metric->first, &first, sample));
}

static struct sample *find_or_make(struct metric *metric, const char *labels)
{
    uint32_t hash = 2166136261u; /* FNV-1a; the bound, not the hash, is what holds against made-up values */
    for (const char *c = labels; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (size_t i = hash;; i++) {
        _Atomic(struct sample *) *slot = &metric->slots[i % metric->slot_count];
        struct sample *sample = atomic_load_explicit(slot, memory_order_acquire);
        if (!sample) {
            if (atomic_fetch_add(&metric->sample_count, 1) >= metric->slot_count / 2) {
                atomic_fetch_sub(&metric->sample_count, 1);
                return metric->other;
            }
            struct sample *made = sample_new(metric, labels);
            if (!made)
                return metric->other;
            if (atomic_compare_exchange_strong(slot, &sample, made)) {
                add_to_list(metric, made);
                return made;
            }
            atomic_fetch_sub(&metric->sample_count, 1);
            sample_free(metric->metrics, made); /* another thread was faster; `sample` is its */
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
    const struct bounds *bounds = sample->bounds;
    size_t i = 0;
    while (i < bounds->count && microseconds > bounds->us[i])
        i++;
    atomic_fetch_add_explicit(&sample->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&sample->value, microseconds, memory_order_relaxed);
}

int64_t sample_value(const struct sample *sample)
{
    if (!sample->bounds)
        return atomic_load_explicit(&sample->value, memory_order_relaxed);
    int64_t count = 0;
    for (size_t i = 0; i <= sample->bounds->count; i++)
        count += sample_bucket(sample, i);
    return count;
}

int64_t sample_bucket(const struct sample *sample, size_t i)
{
    return atomic_load_explicit(&sample->counts[i], memory_order_relaxed);
}

const struct bounds *sample_bounds(const struct sample *sample)
{
    return sample->bounds;
}

const char *sample_labels(const struct sample *sample)
{
    return sample->labels;
}

struct sample *metric_next(const struct metric *metric, const struct sample *sample)
{
    return atomic_load_explicit(sample ? &sample->next : &metric->first, memory_order_acquire);
}
