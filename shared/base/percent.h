#pragma once
/* Percent-encoding (RFC 3986, 2.1), as it stands in paths, queries and forms. */
#include "base/buf.h"
#include "base/text.h"

enum {
    PERCENT_PLUS = 1,  /* '+' is a space, as in queries and forms */
    PERCENT_LOOSE = 2, /* what is no escape stays as it is; else there is no result, nor with a NUL in it */
};

/* The byte of the escape at `text` ("%41"), of which `left` bytes may be read; -1: none stands there. */
static inline int percent_byte(const char *text, size_t left)
{
    int high = left > 2 && *text == '%' ? hex_digit(text[1]) : -1, low = high < 0 ? -1 : hex_digit(text[2]);
    return low < 0 ? -1 : high << 4 | low;
}

/* Decoded, in the arena, with a NUL behind it. Who does not ask for its length (NULL) gets a text: "%00" is no escape
 * for it. */
char *percent_decode(struct arena *arena, const char *text, size_t size, unsigned how, size_t *length);
/* All but letters, digits, "-._~" and what stands in `also`. */
void percent_encode(struct buf *out, const char *text, size_t size, const char *also);
