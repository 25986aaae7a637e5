#pragma once
/*
 * Threads that run jobs which may block. Two bounded lanes: requests from NATS
 * are taken first and some workers are reserved for them, so that a flood of
 * HTTP requests never starves a service that others ask.
 */
#include <stdbool.h>
#include <stddef.h>

struct workers;

enum lane { LANE_NATS, LANE_HTTP, LANES };

struct job {
    void (*run)(struct job *job); /* on a worker; owns the job from now on */
    struct job *next;             /* the queue's */
};

/* `threads` in all, of which `reserved` take from LANE_NATS alone; `room` jobs wait in each lane at the most. */
struct workers *workers_create(size_t threads, size_t reserved, size_t room);
/* Any thread, never blocks. false: the lane is full (or the workers are stopping) and the job is still the caller's. */
bool workers_push(struct workers *workers, enum lane lane, struct job *job);
/* Waits until both lanes are empty and all workers idle, or `timeout_ms` has passed: false then. Takes no new jobs from
 * its call on. */
bool workers_drain(struct workers *workers, int timeout_ms);
/* Ends the threads; jobs still queued are run first. */
void workers_destroy(struct workers *workers);
size_t workers_waiting(const struct workers *workers, enum lane lane);
