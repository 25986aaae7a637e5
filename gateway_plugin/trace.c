#include "trace.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

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

static void put_hex(char *out, uint64_t value, int count)
{
    for (int i = 0; i < count; i++)
        out[i] = digits[value >> (4 * (count - 1 - i)) & 15];
}

void edge_id_make(char out[REQUEST_ID_MAX + 1], uint64_t a, uint64_t b)
{
    put_hex(out, a, 16);
    put_hex(out + 16, b, 8);
    out[24] = 0;
}

static bool all_hex(const char *text, size_t size)
{
    bool zero = true;
    for (size_t i = 0; i < size; i++) {
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
            return false;
        zero &= text[i] == '0';
    }
    return !zero;
}

bool edge_trace_valid(const char *text, size_t size)
{
    return size == TRACEPARENT_SIZE && memcmp(text, "00-", 3) == 0 && all_hex(text + 3, 32) && text[35] == '-' &&
           all_hex(text + 36, 16) && text[52] == '-' && (all_hex(text + 53, 2) || memcmp(text + 53, "00", 2) == 0);
}

void edge_trace_make(char out[TRACEPARENT_SIZE + 1], const char *from, uint64_t a, uint64_t b, uint64_t c)
{
    memcpy(out, "00-00000000000000000000000000000000-0000000000000000-01", TRACEPARENT_SIZE + 1);
    if (from) {
        memcpy(out, from, TRACEPARENT_SIZE);
    } else {
        put_hex(out + 3, a, 16);
        put_hex(out + 19, b, 16);
    }
    put_hex(out + 36, c | 1, 16);
}
