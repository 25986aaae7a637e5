#include "exchange/trace.h"

#include <string.h>

static bool id_char(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
           c == '-';
}

bool edge_id_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!id_char((unsigned char)text[i]))
            return false;
    return size && size <= REQUEST_ID_MAX;
}

/* Eight digits at a time: the nibbles are spread to a byte each, then made into letters. */
static void put_hex8(char *out, uint32_t value)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t x = __builtin_bswap64(value) >> 32; /* the first byte is the lowest */
    x = (x | x << 16) & 0x0000ffff0000ffff;
    x = (x | x << 8) & 0x00ff00ff00ff00ff;
    x = (x >> 4 & ones * 15 & 0x00ff00ff00ff00ff) | (x << 8 & 0x0f000f000f000f00);
    uint64_t letters = (x + ones * 6) >> 4 & ones;
    x += ones * '0' + letters * ('a' - '0' - 10);
    memcpy(out, &x, sizeof x);
}

static void put_hex16(char *out, uint64_t value)
{
    put_hex8(out, (uint32_t)(value >> 32));
    put_hex8(out + 8, (uint32_t)value);
}

void edge_id_make(char out[REQUEST_ID_MAX + 1], uint64_t a, uint64_t b)
{
    put_hex16(out, a);
    put_hex8(out + 16, (uint32_t)b);
    out[24] = 0;
}

static bool is_hex(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
    return true;
}

static bool is_id(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '0')
            return is_hex(text, size);
    return false;
}

bool edge_trace_valid(const char *text, size_t size)
{
    if (size < TRACEPARENT_SIZE || !is_hex(text, 2) || memcmp(text, "ff", 2) == 0)
        return false;
    /* A later version may go on after a dash. */
    if (size > TRACEPARENT_SIZE && (memcmp(text, "00", 2) == 0 || text[TRACEPARENT_SIZE] != '-'))
        return false;
    return text[2] == '-' && is_id(text + TRACE_AT, TRACE_SIZE) && text[35] == '-' &&
           is_id(text + SPAN_AT, SPAN_SIZE) && text[52] == '-' && is_hex(text + 53, 2);
}

static int digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

bool edge_trace_sampled(const char traceparent[TRACEPARENT_SIZE + 1])
{
    return digit(traceparent[54]) & 1;
}

void edge_trace_set_sampled(char traceparent[TRACEPARENT_SIZE + 1], bool sampled)
{
    traceparent[54] = sampled ? '1' : '0';
}

void edge_span_make(char out[SPAN_SIZE], uint64_t random)
{
    put_hex16(out, random | 1);
}

void edge_trace_make(char out[TRACEPARENT_SIZE + 1], const char *from, uint64_t a, uint64_t b, uint64_t c)
{
    memcpy(out, "00-00000000000000000000000000000000-0000000000000000-01", TRACEPARENT_SIZE + 1);
    if (from) {
        memcpy(out + TRACE_AT, from + TRACE_AT, TRACE_SIZE);
        /* Of the flags we know one; the others are not ours to pass on. */
        edge_trace_set_sampled(out, edge_trace_sampled(from));
    } else {
        put_hex16(out + 3, a);
        put_hex16(out + 19, b);
    }
    edge_span_make(out + SPAN_AT, c);
}
