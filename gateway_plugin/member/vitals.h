#pragma once
/*
 * How a member is: one place for each member of each upstream, in memory that
 * all processes of the edge share. What one finds out holds for all of them, and
 * it stays when an upstream is edited, when a member leaves for a moment and when
 * a process dies. Bounded: places that nobody has touched for a minute are given
 * away; who finds none has a place of his own.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { VITALS_LANES = 4 };

/* In a row. */
struct tally {
    _Atomic int successes, tcp, timeouts, http;
};

struct vitals {
    uint64_t key[2];
    _Atomic int64_t seen_ms; /* on clock_ms(): somebody has this member */
    struct tally passive, active;
    _Atomic int64_t out_until; /* 0: in; else of member.h */
    _Atomic int backoff_ms;
    _Atomic bool on_trial;    /* a request tries it */
    _Atomic int64_t fresh_ms; /* since when it is in, where it was not before; 0: always */
    _Atomic int64_t due_ms;   /* of its next probe */
    struct lane {
        _Atomic int64_t requests, failed;
    } lanes[VITALS_LANES] __attribute__((aligned(64))); /* so that loops do not write to one line */
};

struct vitals_table;

/* Before the processes are forked. */
struct vitals_table *vitals_table_create(void);
void vitals_table_destroy(struct vitals_table *table);
/* The place of `identity`, whoever asked first. NULL: all are taken. */
struct vitals *vitals_get(struct vitals_table *table, const char *identity, int64_t now_ms);
/* A few times a minute, by everyone who has it. */
void vitals_touch(struct vitals *vitals, int64_t now_ms);
