#include "base/text.h"

#include <openssl/crypto.h>
#include <string.h>

size_t utf8_length(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80)
        return c[0] ? 1 : 0;
    if (c[0] < 0xc2 || c[0] > 0xf4)
        return 0;
    size_t n = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return n;
}

uint32_t utf8_next(const char **text)
{
    const unsigned char *c = (const unsigned char *)*text;
    size_t n = utf8_length(*text);
    *text += n ? n : 1;
    switch (n) {
    case 1:
        return c[0];
    case 2:
        return (c[0] & 0x1fU) << 6 | (c[1] & 0x3fU);
    case 3:
        return (c[0] & 0x0fU) << 12 | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU);
    case 4:
        return (c[0] & 0x07U) << 18 | (c[1] & 0x3fU) << 12 | (c[2] & 0x3fU) << 6 | (c[3] & 0x3fU);
    default:
        return 0xfffd;
    }
}

/* Eight bytes at a time: of those below 0x80, one less than 0x20 borrows into its high bit, and 0x7f carries into it.
 */
size_t text_plain(const char *text, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        if ((word | (word - ones * 0x20) | (word + ones)) & high)
            break;
    }
    while (i < size && text[i] >= 0x20 && text[i] < 0x7f)
        i++;
    return i;
}

bool utf8_valid(const char *text, size_t size)
{
    for (size_t i = text_plain(text, size); i < size;) {
        unsigned char first = (unsigned char)text[i];
        size_t n = first < 0xe0 ? 1 + (first >= 0x80) : first < 0xf0 ? 3 : 4; /* what it begins, if it is one */
        if (n > size - i || utf8_length(text + i) != n)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_count(const char *text)
{
    size_t count = text_plain(text, strlen(text));
    for (text += count; *text;) {
        utf8_next(&text);
        count++;
    }
    return count;
}

bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool text_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

char *text_lower(struct arena *arena, const char *text)
{
    char *out = arena_strdup(arena, text);
    lower_copy(out, out, strlen(out));
    return out;
}

bool text_number(const char *text, int64_t max, int64_t *out)
{
    int64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        int digit = *text - '0';
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool text_secret_equal(const char *a, const char *b)
{
    size_t n = strlen(a);
    return n == strlen(b) && CRYPTO_memcmp(a, b, n) == 0;
}

char *hex_encode(struct arena *arena, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;
    char *out = arena_alloc(arena, size * 2 + 1);
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    return out;
}

bool hex_decode(const char *text, void *out, size_t size)
{
    unsigned char *to = out;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return !text[2 * size];
}
