#pragma once
/* What the files of the metrics share: how samples lie in memory. */
#include "metrics/metrics.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LABELS_MAX = 8 };

enum metric_kind { COUNTER, GAUGE, HISTOGRAM, WATCH };

struct sample {
    _Atomic(struct sample *) next; /* of its metric */
    const struct bounds *bounds;   /* HISTOGRAM; else NULL */
    _Atomic int64_t value;         /* HISTOGRAM: microseconds in all */
    char *labels;                  /* `method="GET",status="200"`; behind the counts */
    _Atomic int64_t counts[];      /* HISTOGRAM: of each bound and one for what is longer; not cumulative */
};

struct metric {
    _Atomic(struct metric *) next;
    struct metrics *metrics;
    enum metric_kind kind;
    const char *name, *help;
    const struct bounds *bounds; /* HISTOGRAM */
    struct {
        const char *name;
        size_t size;
    } labels[LABELS_MAX];
    size_t label_count;
    atomic_size_t sample_count;
    size_t slot_count;
    _Atomic(struct sample *) first; /* of all, but for `other` */
    struct sample *other;           /* for values past the bound */
    int64_t (*read)(void *self);
    void *self;
    _Atomic(struct sample *) slots[]; /* twice as many as samples, so never full: a free one ends every search */
};

struct metrics {
    pthread_mutex_t declaring;
    _Atomic(struct metric *) first;
    size_t samples_max; /* of each metric */
    size_t room;        /* shared between processes: bytes from here on; 0: on the heap */
    atomic_size_t used; /* of these */
};
