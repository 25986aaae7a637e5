#pragma once
/* UTF-8 and small questions about text. */
#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the UTF-8 character at `text` (RFC 3629: no overlong forms, no surrogates), 0 when there is none. Reads no
 * further than a NUL. */
size_t utf8_length(const char *text);
/* Decodes the character at `*text` and moves past it; U+FFFD and one byte where there is none. */
uint32_t utf8_next(const char **text);
bool utf8_valid(const char *text, size_t size);
/* How many of the first bytes are printable ASCII (0x20 to 0x7e): all of them, mostly, and then nothing else need be
 * looked at. */
size_t text_plain(const char *text, size_t size);
/* Characters (code points), not bytes. */
size_t utf8_count(const char *text);

bool text_equal(const char *a, const char *b); /* NULL equals NULL only */
bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);
/* ASCII letters only, as all that follow. */
static inline char lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* `out` has room for `size` bytes, and may be `text`. */
static inline void lower_copy(char *out, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = lower_char(text[i]);
}

/* Allocates. */
char *text_lower(struct arena *arena, const char *text);
/* A whole decimal number without sign or space, at most `max`. */
bool text_number(const char *text, int64_t max, int64_t *out);
/* Constant time in the content (not in the length). */
bool text_secret_equal(const char *a, const char *b);
/* Its value, of either case; -1: it is none. */
static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Lower-case hexadecimal. */
char *hex_encode(struct arena *arena, const void *data, size_t size);
/* false unless `text` is exactly `size` bytes in hexadecimal. */
bool hex_decode(const char *text, void *out, size_t size);
