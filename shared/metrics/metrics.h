#pragma once
/*
 * Prometheus text format 0.0.4. Counters, gauges, histograms, declared once at
 * start; raising one is an atomic add, any thread. Label values come from a
 * fixed set given at declaration or are bounded (1,024 a metric; then "other").
 */
#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct metrics;
struct metric; /* one name */
struct sample; /* one name with its label values */

struct metrics *metrics_create(void);
/* In memory that is shared with the processes forked from this one, `size` bytes: what they count is one sum, and stays
 * when one of them dies. All is declared before the first fork. When it is full, or `samples_max` of a metric are
 * there, new label values are "other". What is not touched takes no memory. */
struct metrics *metrics_create_shared(size_t size, size_t samples_max);
void metrics_destroy(struct metrics *metrics);

/* `labels`: names by comma ("method,route,status"), NULL = none. Names are kept. */
struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help, const char *labels);
struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* Seconds; buckets from 100 us to 10 s in steps of 1, 2.5, 5. */
struct metric *metric_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* The upper ends of a histogram's buckets, ascending, and how many microseconds are 1 on the page. Kept. */
struct bounds {
    const int64_t *us;
    size_t count;
    int64_t unit_us;
};
struct metric *metric_histogram_of(struct metrics *metrics, const char *name, const char *help, const char *labels,
                                   const struct bounds *bounds);
/* A gauge that is asked when the page is written. */
void metric_watch(struct metrics *metrics, const char *name, const char *help, int64_t (*read)(void *self), void *self);

/* The sample for these label values (as many as labels, then NULL); found or made; keep it where the path is hot. */
struct sample *metric_sample(struct metric *metric, ...) __attribute__((sentinel));
void sample_add(struct sample *sample, int64_t by);
void sample_set(struct sample *sample, int64_t value);
void sample_observe_us(struct sample *sample, int64_t microseconds);
int64_t sample_value(const struct sample *sample);
/* The samples of a metric, but for "other": first with NULL, then with the one before. NULL: that was the last. */
struct sample *metric_next(const struct metric *metric, const struct sample *sample);
/* `method="GET",status="200"` */
const char *sample_labels(const struct sample *sample);
/* Of a histogram: its bounds, and how many lie between bound i - 1 and bound i; i = count: beyond the last. */
const struct bounds *sample_bounds(const struct sample *sample);
int64_t sample_bucket(const struct sample *sample, size_t i);

void metrics_write(struct metrics *metrics, struct buf *out);
