#pragma once
/*
 * Between the service and its helper process, over a Unix stream socket. A
 * question is one `struct probe_question` with a read-only descriptor
 * (SCM_RIGHTS); the answer is one `struct probe_answer`, then the facts as
 * JSON, then the picture. Both sides are the same build on the same machine.
 */
#include <stdint.h>

enum { PROBE_SOCKET = 3 }; /* the helper's end */

enum probe_kind {
    PROBE_AUDIO = 1, /* facts of an audio file, and its cover */
    PROBE_PICTURE,   /* a picture made to fit `edge` */
};

struct probe_question {
    uint32_t kind;
    uint32_t edge;    /* pixels: the longer side of the picture at the most */
    uint32_t seconds; /* the helper ends itself after these */
};

enum probe_verdict {
    PROBE_DONE = 1,
    PROBE_REFUSED, /* it is no audio (no picture) that this can decode */
};

struct probe_answer {
    uint32_t verdict;
    uint32_t facts_size; /* up to FACTS_JSON_MAX */
    uint32_t cover_size; /* up to COVER_BYTES_MAX */
};
