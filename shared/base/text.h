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
/* Characters (code points), not bytes. */
size_t utf8_count(const char *text);

bool text_equal(const char *a, const char *b); /* NULL equals NULL only */
bool text_starts(const char *text, const char *prefix);
bool text_ends(const char *text, const char *suffix);
/* ASCII letters only; allocates. */
char *text_lower(struct arena *arena, const char *text);
/* A whole decimal number without sign or space, at most `max`. */
bool text_number(const char *text, int64_t max, int64_t *out);
/* Constant time in the content (not in the length). */
bool text_secret_equal(const char *a, const char *b);
/* Lower-case hexadecimal. */
char *hex_encode(struct arena *arena, const void *data, size_t size);
/* false unless `text` is exactly `size` bytes in hexadecimal. */
bool hex_decode(const char *text, void *out, size_t size);
