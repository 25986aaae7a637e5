#pragma once
/*
 * The raw head of an HTTP/1 request, looked at before h2o parses it: h2o takes
 * heads that two parsers read differently (request smuggling). What is taken
 * here has one reading. RFC 9112, strictly.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAD_MAX = 32 * 1024, HEADERS_MAX = 100 };

enum head_state { HEAD_PARTIAL, HEAD_GOOD, HEAD_BAD };

struct head {
    int status;         /* HEAD_BAD: what to answer ... */
    const char *reason; /* ... and why */
    size_t size;        /* with the empty line */
    int minor;          /* of HTTP/1 */
    bool chunked;
    bool expect;    /* 100-continue */
    int64_t length; /* of the body; -1: none is given */
};

/* `seen`: bytes of it that an earlier call has had (0 at first): the end of the head is not in them. */
enum head_state head_check(const char *data, size_t size, size_t seen, struct head *head);

bool is_token_char(unsigned char c);
bool is_token(const char *text, size_t size);
/* What Host and :authority may hold: a name or an address, and a port from 1 on. */
bool is_authority(const char *text, size_t size);
/* No control characters but the tab. */
bool is_field_value(const char *text, size_t size);
