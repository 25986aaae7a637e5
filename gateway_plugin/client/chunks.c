#include "client/chunks.h"

#include "base/text.h"

#include <string.h>

enum step {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE_START, /* of a trailer, or the empty line that ends all */
    TRAILER,
    TRAILER_LF,
    END_LF,
    DONE,
    BAD,
};

enum { DIGITS_MAX = 12, LINES_MAX = 8192 };

static enum step in_size(struct chunks *chunks, char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++chunks->digits > DIGITS_MAX)
            return BAD;
        chunks->left = chunks->left << 4 | (unsigned)digit;
        return SIZE;
    }
    if (!chunks->digits)
        return BAD;
    return c == '\r' ? SIZE_LF : c == ';' || c == ' ' || c == '\t' ? EXTENSION : BAD;
}

static enum step in_line(struct chunks *chunks, char c, enum step same, enum step next)
{
    if (c == '\r')
        return next;
    if (++chunks->line > LINES_MAX || (unsigned char)c < ' ')
        return c == '\t' ? same : BAD;
    return same;
}

static enum step after_size(struct chunks *chunks, char c)
{
    chunks->digits = 0;
    if (c != '\n')
        return BAD;
    return chunks->left ? DATA : LINE_START;
}

static enum step one_byte(struct chunks *chunks, char c)
{
    switch ((enum step)chunks->step) {
    case SIZE:
        return in_size(chunks, c);
    case EXTENSION:
        return in_line(chunks, c, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return after_size(chunks, c);
    case DATA_CR:
        return c == '\r' ? DATA_LF : BAD;
    case DATA_LF:
        return c == '\n' ? SIZE : BAD;
    case LINE_START:
        return c == '\r' ? END_LF : in_line(chunks, c, TRAILER, BAD);
    case TRAILER:
        return in_line(chunks, c, TRAILER, TRAILER_LF);
    case TRAILER_LF:
        return c == '\n' ? LINE_START : BAD;
    case END_LF:
        return c == '\n' ? DONE : BAD;
    default:
        return BAD;
    }
}

enum chunks_state chunks_read(struct chunks *chunks, const char *data, size_t size, size_t *used, char *out,
                              size_t *payload)
{
    size_t at = 0, got = 0;
    while (at < size && chunks->step != DONE && chunks->step != BAD) {
        if (chunks->step != DATA) {
            chunks->step = (uint8_t)one_byte(chunks, data[at++]);
            continue;
        }
        size_t span = size - at < chunks->left ? size - at : (size_t)chunks->left;
        if (out)
            memmove(out + got, data + at, span);
        at += span;
        got += span;
        chunks->left -= span;
        if (!chunks->left)
            chunks->step = DATA_CR;
    }
    chunks->payload += got;
    *used = at;
    *payload = got;
    return chunks->step == DONE ? CHUNKS_END : chunks->step == BAD ? CHUNKS_BAD : CHUNKS_MORE;
}
