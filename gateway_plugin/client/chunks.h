#pragma once
/* The chunked coding (RFC 9112, 7.1), strictly: hexadecimal sizes, CR LF, bounded extensions and trailers, which are
 * dropped. */
#include <stddef.h>
#include <stdint.h>

enum chunks_state { CHUNKS_MORE, CHUNKS_END, CHUNKS_BAD };

struct chunks {
    uint8_t step;
    uint8_t digits;
    uint16_t line;    /* bytes of extensions and trailers so far */
    uint64_t left;    /* of the chunk */
    uint64_t payload; /* in all */
};

/*
 * Reads on from where the last call stopped. *used: bytes of `data` that belong
 * to the body (all of them, but for CHUNKS_END). `out`, unless NULL, gets the
 * payload and may be `data` itself; *payload says how much.
 */
enum chunks_state chunks_read(struct chunks *chunks, const char *data, size_t size, size_t *used, char *out,
                              size_t *payload);
