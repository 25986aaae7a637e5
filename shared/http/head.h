#pragma once
/*
 * The head of an HTTP/1 request, looked at more strictly than h2o does: what
 * two parsers could read in two ways (bare LF, folded lines, two lengths, a
 * length beside an encoding, no or two hosts) is refused before it gets there.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_SIZE_MAX = 32 * 1024, HEAD_HEADERS_MAX = 100 };

enum head_state { HEAD_PARTIAL, HEAD_OK, HEAD_BAD, HEAD_TOO_LARGE };

struct head {
    size_t size; /* with the empty line */
    const char *method, *target;
    size_t method_size, target_size;
    int64_t length; /* Content-Length, -1 = none */
    bool chunked;
    bool http10;
    size_t hosts, lengths, encodings;     /* how many of these headers */
    const char *request_id, *traceparent; /* as given, NULL = none */
    size_t request_id_size, traceparent_size;
    const char *reason; /* HEAD_BAD: why */
};

/* Looks at `size` bytes that begin with a request; the pointers in `head` are into them. */
enum head_state head_scan(const char *bytes, size_t size, struct head *head);
