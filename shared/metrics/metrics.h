#pragma once
/*
 * Prometheus text format 0.0.4. Counters, gauges, histograms, declared once at
 * start; raising one is an atomic add, any thread. Label values come from a
 * fixed set given at declaration or are bounded (1,024 a metric; then "other").
 */
#include "base/buf.h"

#include <stdint.h>

struct metrics;
struct metric; /* one name */
struct sample; /* one name with its label values */

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);

/* `labels`: names by comma ("method,route,status"), NULL = none. Names are kept. */
struct metric *metric_counter(struct metrics *metrics, const char *name, const char *help, const char *labels);
struct metric *metric_gauge(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* Seconds; buckets from 100 us to 10 s in steps of 1, 2.5, 5. */
struct metric *metric_histogram(struct metrics *metrics, const char *name, const char *help, const char *labels);
/* A gauge that is asked when the page is written. */
void metric_watch(struct metrics *metrics, const char *name, const char *help, int64_t (*read)(void *self), void *self);

/* The sample for these label values (as many as labels, then NULL); found or made; keep it where the path is hot. */
struct sample *metric_sample(struct metric *metric, ...) __attribute__((sentinel));
void sample_add(struct sample *sample, int64_t by);
void sample_set(struct sample *sample, int64_t value);
void sample_observe_us(struct sample *sample, int64_t microseconds);
int64_t sample_value(const struct sample *sample);

void metrics_write(struct metrics *metrics, struct buf *out);
