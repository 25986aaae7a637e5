#pragma once
/*
 * Counts the header fields of a block (RFC 7541) without decoding it: a byte may name an entry of the table, so that
 * forty thousand headers fit where a hundred are meant.
 */
#include <stddef.h>
#include <stdint.h>

struct h2_fields {
    uint32_t count;
    uint32_t left;   /* bytes of the string that is being passed over */
    uint32_t number; /* a length that is being read */
    uint8_t shift;
    uint8_t step, next;
};

/* {0} at the beginning of a block. Reads on from where the last call stopped; what is malformed is h2o's to refuse. */
void h2_fields_read(struct h2_fields *fields, const unsigned char *data, size_t size);
