#pragma once
/*
 * Runs over the frames of an HTTP/2 connection before h2o reads them. h2o 2.2.5
 * pays dearly for what costs an attacker nothing: resets (CVE-2023-44487), empty
 * CONTINUATIONs, pings, settings, priorities, DATA of nothing. Each has a budget a
 * second; a block of headers has one of bytes, frames and fields; one read has one
 * of requests. It also knows how much of the bodies that are not complete yet h2o
 * must be holding.
 */
#include "client/h2_fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H2_UPLOADS = 128 }; /* h2o refuses the 101st stream */

/* A stream whose body is still coming. */
struct h2_upload {
    uint32_t stream, bytes;
    uint64_t looked; /* unread.h: the most that its route takes; 0: nobody has looked */
};

struct h2_guard {
    struct h2_upload uploads[H2_UPLOADS];
    size_t upload_count;
    uint32_t opened[H2_UPLOADS]; /* heads with a body behind them that have come since somebody looked */
    size_t opened_count;
    uint32_t unread[H2_UPLOADS]; /* the last streams whose bodies nobody reads: h2o holds nothing more of them */
    size_t unread_count;
    size_t uploading;      /* bytes of all of them: h2o holds them */
    size_t received;       /* bytes of bodies since the connection began */
    unsigned char head[9]; /* of the frame that is being read */
    uint8_t head_size;
    uint8_t preface;   /* bytes of it still to come */
    bool in_block;     /* HEADERS without END_HEADERS came last */
    uint32_t left;     /* bytes of the payload */
    uint8_t pad;       /* bytes at its end that mean nothing */
    uint8_t increment; /* of a WINDOW_UPDATE: its bytes so far, by or */
    uint32_t block_bytes, block_frames;
    struct h2_fields fields; /* of the block */
    uint32_t requests;       /* HEADERS in this read */
    int64_t second;          /* of the counts */
    uint32_t counts[16];     /* by budget */
};

void h2_guard_start(struct h2_guard *guard);
/* From here on the stream's DATA is thrown away. Of the oldest of them, when they are many, it is not any more. */
void h2_guard_stop_reading(struct h2_guard *guard, uint32_t stream);
bool h2_guard_unread(const struct h2_guard *guard, uint32_t stream);
/* NULL: go on. Else which budget is spent. */
const char *h2_guard_read(struct h2_guard *guard, const char *data, size_t size, int64_t now_ms);
