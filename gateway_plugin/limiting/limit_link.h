#pragma once
/*
 * Counting in a Redis that several edges share. The loops never wait: they hand
 * their questions to a thread, which asks many at a time over one connection.
 * While Redis is away every question is answered so at once, and the thread
 * alone waits for it to come back. One Redis that is asked by several plugins,
 * or by one file after the other, has one link.
 */
#include "limiting/counts.h"
#include "process/loop.h"

struct limit_link;
struct limit_links;

struct redis_options {
    const char *host, *username, *password; /* NULL: none */
    int64_t port, timeout_ms, database;
    int64_t sync_ms; /* 0: every request is asked about; else it is noted, and told so often */
};

/* A question, and its answer. Made by limit_ask_create(), ended by the link. */
struct limit_ask {
    struct message message; /* first */
    struct limit_ask *next;
    struct loop *loop;
    void (*answer)(void *self, const struct limit_ask *ask); /* the loop's: NULL when cancelled */
    void *self;
    int64_t limits[PERIODS]; /* 0: none */
    int64_t now_s;
    bool away;             /* nobody knows */
    int64_t used[PERIODS]; /* before this request */
    char who[];
};

/* `counts` outlives it. */
struct limit_links *limit_links_create(struct counts *counts);
/* The threads end; what was asked is answered. Before the loops end. */
void limit_links_stop(struct limit_links *links);
/* When no configuration has a link any more. */
void limit_links_destroy(struct limit_links *links);
/* With a reference. One thread at a time calls these three. */
struct limit_link *limit_links_take(struct limit_links *links, const struct redis_options *options);
/* Ends those that nobody has any more. */
void limit_links_sweep(struct limit_links *links);
/* Waits until each is connected or has found that it cannot be, at most `ms`. */
void limit_links_settle(struct limit_links *links, int64_t ms);
/* Any thread. NULL is fine. */
void limit_link_give(struct limit_link *link);

/* `who`: the part of the key that names who is limited, and where. */
struct limit_ask *limit_ask_create(const char *who);
/* On the loop's thread. `answer` is called later, exactly once, unless cancelled. */
void limit_link_ask(struct limit_link *link, struct limit_ask *ask);
void limit_ask_cancel(void *ask);
/* Of a link with sync_ms: who has been counted. Any thread. */
void limit_link_note(struct limit_link *link, const char *who, const int64_t limits[PERIODS], int64_t now_s);
