#pragma once
/* Request ids and W3C trace context. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_ID_MAX = 64, TRACEPARENT_SIZE = 55, TRACE_AT = 3, TRACE_SIZE = 32, SPAN_AT = 36, SPAN_SIZE = 16 };

/* ^[A-Za-z0-9._-]{1,64}$ */
bool edge_id_valid(const char *text, size_t size);
/* 24 hexadecimal digits and a NUL. */
void edge_id_make(char out[REQUEST_ID_MAX + 1], uint64_t a, uint64_t b);
/* A traceparent of version 00, or of a later one, which begins as that does. */
bool edge_trace_valid(const char *text, size_t size);
/* A span of ours in the caller's trace, or in a new one (`from` NULL), which is sampled; `a` to `c` are random. With a
 * NUL. */
void edge_trace_make(char out[TRACEPARENT_SIZE + 1], const char *from, uint64_t a, uint64_t b, uint64_t c);
/* 16 hexadecimal digits, not all zeros, without a NUL. */
void edge_span_make(char out[SPAN_SIZE], uint64_t random);
bool edge_trace_sampled(const char traceparent[TRACEPARENT_SIZE + 1]);
void edge_trace_set_sampled(char traceparent[TRACEPARENT_SIZE + 1], bool sampled);
