#pragma once
/*
 * Runs over the frame headers of an HTTP/2 connection before h2o reads them.
 * h2o 2.2.5 pays dearly for what costs an attacker nothing: resets (CVE-2023-44487),
 * empty CONTINUATIONs, pings, settings, priorities, empty DATA. Each has a budget a
 * second; a block of headers has one of bytes and frames. It also knows how much of
 * the bodies that are not complete yet h2o must be holding.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { H2_UPLOADS = 128 }; /* h2o refuses the 101st stream */

/* A stream whose body is still coming. */
struct h2_upload {
    uint32_t stream, bytes;
};

struct h2_guard {
    struct h2_upload uploads[H2_UPLOADS];
    size_t upload_count;
    size_t uploading;      /* bytes of all of them: h2o holds them */
    unsigned char head[9]; /* of the frame that is being read */
    uint8_t head_size;
    uint8_t preface; /* bytes of it still to come */
    bool in_block;   /* HEADERS without END_HEADERS came last */
    uint32_t left;   /* bytes of the payload */
    uint32_t block_bytes, block_frames;
    int64_t second;      /* of the counts */
    uint32_t counts[16]; /* by budget */
};

void h2_guard_start(struct h2_guard *guard);
/* NULL: go on. Else which budget is spent. */
const char *h2_guard_read(struct h2_guard *guard, const char *data, size_t size, int64_t now_ms);
