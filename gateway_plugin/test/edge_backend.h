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
void backend_stop(struct backend *backend);
int backend_port(const struct backend *backend);
/* Requests whose head was read; connections taken; bytes of bodies read. */
long backend_requests(const struct backend *backend);
long backend_connections(const struct backend *backend);
long backend_body_bytes(const struct backend *backend);
/* The head of the last request. */
void backend_last_head(struct backend *backend, char *out, size_t room);
