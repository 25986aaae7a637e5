#pragma once
/* Request ids and W3C trace context. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_ID_MAX = 64, TRACEPARENT_SIZE = 55 };

/* ^[A-Za-z0-9._-]{1,64}$ */
bool edge_id_valid(const char *text, size_t size);
/* 24 hexadecimal digits and a NUL. */
void edge_id_make(char out[REQUEST_ID_MAX + 1], uint64_t a, uint64_t b);
/* Of version 00, not all zeros. */
bool edge_trace_valid(const char *text, size_t size);
/* A span of ours in the caller's trace, or in a new one (`from` NULL); `a` to `c` are random. With a NUL. */
void edge_trace_make(char out[TRACEPARENT_SIZE + 1], const char *from, uint64_t a, uint64_t b, uint64_t c);
