#include "http/request_id.h"

#include "base/random.h"

#include <string.h>

void ids_start(struct ids *ids)
{
    do
        random_bytes(ids, sizeof *ids);
    while (ids->a == 0 && ids->b == 0);
}

/* xorshift128+ (Vigna, 2014) */
static uint64_t ids_next(struct ids *ids)
{
    uint64_t x = ids->a, y = ids->b;
    ids->a = y;
    x ^= x << 23;
    ids->b = x ^ y ^ (x >> 17) ^ (y >> 26);
    return ids->b + y;
}

static char *hex64(char *out, uint64_t value, size_t digits)
{
    for (size_t i = 0; i < digits; i++)
        *out++ = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    return out;
}

bool request_id_valid(const char *text)
{
    size_t size = text ? strlen(text) : 0;
    if (size < 1 || size > 64)
        return false;
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

static bool is_hex(const char *text, size_t size)
{
    return strspn(text, "0123456789abcdef") >= size;
}

/* Version 00 has exactly these four parts; a later one may go on after a dash. */
bool traceparent_valid(const char *text)
{
    if (!text || strnlen(text, 55) < 55 || strlen(text) > 128)
        return false;
    if (!is_hex(text, 2) || !is_hex(text + 3, 32) || !is_hex(text + 36, 16) || !is_hex(text + 53, 2))
        return false;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-' || memcmp(text, "ff", 2) == 0)
        return false;
    bool zero_trace = strspn(text + 3, "0") >= 32, zero_parent = strspn(text + 36, "0") >= 16;
    bool ends = text[55] == 0 || (text[55] == '-' && memcmp(text, "00", 2) != 0);
    return !zero_trace && !zero_parent && ends;
}

const char *trace_request_id(struct ids *ids, struct arena *arena, const char *given)
{
    if (request_id_valid(given))
        return arena_strdup(arena, given);
    char *out = arena_alloc(arena, 24 + 1);
    hex64(hex64(out, ids_next(ids), 16), ids_next(ids), 8);
    return out;
}

const char *trace_parent(struct ids *ids, struct arena *arena, const char *given)
{
    if (traceparent_valid(given))
        return arena_strdup(arena, given);
    char *out = arena_alloc(arena, 55 + 1), *at = out;
    memcpy(at, "00-", 3);
    at = hex64(at + 3, ids_next(ids) | 1, 16);
    at = hex64(at, ids_next(ids), 16);
    *at++ = '-';
    at = hex64(at, ids_next(ids) | 1, 16);
    memcpy(at, "-01", 3);
    return out;
}
