#pragma once
/* For tests: a small service with a route for each thing a server does, and an authority with known keys and tokens. */
#include "http/server.h"
#include "http/test_client.h"

#include <stdatomic.h>

struct service {
    struct ctx ctx;
    struct server *server;
    struct workers *workers;
    struct metrics *metrics;
    struct server_options options; /* change what a test needs before service_start() */
    struct secret secret;
    atomic_int calls;      /* of /public/kept, /key/kept */
    atomic_int begun;      /* requests that have reached /slow or /gate */
    atomic_bool gate_open; /* /gate waits for it */
    atomic_bool authority_away, dependency_away;
    char spool[64];
    char file[80]; /* what /file answers with: 1,000,000 bytes */
};

extern struct service service;

/* ThreadSanitizer keeps several bytes of its own for each: what a process holds then says nothing. */
#ifdef __SANITIZE_THREAD__
enum { MEASURES_MEMORY = 0 };
#else
enum { MEASURES_MEMORY = 1 };
#endif

#define EDGE "X-Tonearm-Edge: the secret of the edge\r\n"

/* Prepares options; start() binds a free port. */
void service_prepare(void);
void service_start(void);
void service_end(void);
/* The byte of /file at an offset. */
unsigned char file_byte(size_t at);
