#pragma once
/* What the files of the member share: it, and a request that it answers. */
#include "edge_backend.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { HEAD_ROOM = 128 * 1024 };

struct backend {
    const char *name;
    int fd, port;
    pthread_t thread;
    atomic_bool stopping;
    atomic_long requests, connections, body_bytes, open;
    atomic_int health;
    atomic_long health_asked, health_open, health_at_once;
    pthread_mutex_t lock;
    char last_head[HEAD_ROOM];
};

/* A request being answered. */
struct call {
    struct backend *backend;
    int fd;
    char head[HEAD_ROOM];
    size_t head_size, read; /* read: bytes in head[], the body's beginning among them */
    size_t body_size;
    long number; /* of the request on this connection */
    bool close;
};

void call_send_all(struct call *call, const char *data, size_t size);
void call_send(struct call *call, const char *text);
/* 200, `headers` with their line ends, and a whole body. */
void call_answer(struct call *call, const char *headers, const char *body);
/* To its end, counted. */
void call_read_body(struct call *call);
/* The number behind `key` in the head; 0: there is none. */
long call_number(const struct call *call, const char *key);
bool call_peer_gone(const struct call *call);

/* What is done about a path that begins so. */
struct act {
    const char *path;
    void (*act)(struct call *call);
};
/* Whole answers, and connections that end; bodies that come in other ways than whole. Ended by a row without a path. */
extern const struct act whole_acts[], body_acts[];
/* For all other paths. */
void act_echo(struct call *call);
