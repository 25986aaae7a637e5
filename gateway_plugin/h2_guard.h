#pragma once
/*
 * Runs over the frame headers of an HTTP/2 connection before h2o reads them.
 * h2o 2.2.5 pays dearly for what costs an attacker nothing: resets (CVE-2023-44487),
 * empty CONTINUATIONs, pings, settings, priorities, empty DATA. Each has a budget a
 * second; a block of headers has one of bytes and frames. Who is past it is cut off.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct h2_guard {
    unsigned char head[9]; /* of the frame that is being read */
    uint8_t head_size;
    uint8_t preface;       /* bytes of it still to come */
    bool in_block;         /* HEADERS without END_HEADERS came last */
    uint32_t left;         /* bytes of the payload */
    uint32_t block_bytes, block_frames;
    int64_t second;        /* of the counts */
    uint32_t counts[16];   /* by budget */
};

void h2_guard_start(struct h2_guard *guard);
/* NULL: go on. Else which budget is spent. */
const char *h2_guard_read(struct h2_guard *guard, const char *data, size_t size, int64_t now_ms);
