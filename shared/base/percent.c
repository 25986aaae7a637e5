#include "base/percent.h"

#include <string.h>

char *percent_decode(struct arena *arena, const char *text, size_t size, unsigned how, size_t *length)
{
    bool plus = how & PERCENT_PLUS, strict = !(how & PERCENT_LOOSE), nul = !strict && length;
    char *out = arena_alloc(arena, size + 1), *to = out;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if ((unsigned char)c > '+') { /* as most are */
            *to++ = c;
            continue;
        }
        int byte = c == '%' ? percent_byte(text + i, size - i) : -1;
        if (byte > 0 || (byte == 0 && nul)) {
            c = (char)byte;
            i += 2;
        } else if (strict && (c == '%' || !c)) {
            return NULL;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        *to++ = c;
    }
    *to = 0;
    if (length)
        *length = (size_t)(to - out);
    return out;
}

static bool unreserved(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || (c && strchr("-._~", c));
}

void percent_encode(struct buf *out, const char *text, size_t size, const char *also)
{
    for (size_t i = 0; i < size; i++) {
        if (unreserved(text[i]) || (text[i] && strchr(also, text[i])))
            buf_char(out, text[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text[i]);
    }
}
