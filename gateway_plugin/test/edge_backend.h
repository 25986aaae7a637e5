#pragma once
/*
 * A member for tests: an HTTP/1.1 server that can stall, lie, close and dawdle.
 * What it does is said by the path (see the table in edge_backend.c).
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct backend;

/* On a free port of loopback; `name` stands in its answers. */
struct backend *backend_start(const char *name);
/* On this port, which was one's before. */
struct backend *backend_start_on(const char *name, int port);
void backend_stop(struct backend *backend);
/* What it answers at /health from now on (200 at first); 0: it closes; below: so many ms later, 200. */
void backend_set_health(struct backend *backend, int status);
/* Questions for /health; how many were open at a time, at most. */
long backend_health_asked(const struct backend *backend);
long backend_health_at_once(const struct backend *backend);
int backend_port(const struct backend *backend);
/* Requests whose head was read; connections taken; bytes of bodies read. */
long backend_requests(const struct backend *backend);
long backend_connections(const struct backend *backend);
/* Those that are open. */
long backend_open(const struct backend *backend);
long backend_body_bytes(const struct backend *backend);
/* The head of the last request. */
void backend_last_head(struct backend *backend, char *out, size_t room);
