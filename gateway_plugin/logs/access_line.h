#pragma once
/*
 * A line of the access log, made on the loop when a request is over. JSON has the
 * names of Kong's log plugins. Credentials never stand in it: see redact.h.
 */
#include <stddef.h>

struct exchange;

enum access_format {
    ACCESS_JSON,
    ACCESS_COMMON,   /* NCSA's */
    ACCESS_COMBINED, /* the same with referer and user agent */
};

/* A pipe takes so many bytes in one piece: lines of several processes do not mix. */
enum { ACCESS_LINE_MAX = 4096 };

/* The headers of the answer are there when its head leaves, and no longer: they are made text then, for JSON. */
void access_line_keep_head(struct exchange *x);
/* With its newline, without a NUL. Values that are too long are cut, headers that do not fit are left out. */
size_t access_line(const struct exchange *x, enum access_format format, char out[ACCESS_LINE_MAX]);
