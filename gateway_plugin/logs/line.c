#include "logs/line.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

void line_add(struct line *line, const char *data, size_t size)
{
    if ((size_t)(line->end - line->at) < size) {
        line->full = true;
        return;
    }
    if (size)
        memcpy(line->at, data, size);
    line->at += size;
}

void line_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

void line_number(struct line *line, int64_t number)
{
    char digits[24], *at = digits + sizeof digits;
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--at = '-';
    line_add(line, at, (size_t)(digits + sizeof digits - at));
}

/* The bytes of the character at `text`; 0: it is none. */
static size_t character(const char *text, size_t left)
{
    unsigned char first = (unsigned char)*text;
    size_t announced = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (announced > left)
        return 0;
    return announced == 1 ? 1 : utf8_length(text);
}

static size_t escape_json(const char *text, size_t size, char out[8])
{
    unsigned char byte = (unsigned char)*text;
    if (!size)
        memcpy(out, "\xef\xbf\xbd", 3);
    else if (byte == '"' || byte == '\\')
        return (size_t)sprintf(out, "\\%c", byte);
    else if (byte < 0x20 || byte == 0x7f)
        return (size_t)sprintf(out, "\\u%04x", byte);
    else
        memcpy(out, text, size);
    return size ? size : 3;
}

/* How many bytes from the first on stand in JSON as they are. */
static size_t plain_run(const char *text, size_t size)
{
    size_t n = 0;
    while (n < size && text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

void line_json(struct line *line, const char *text, size_t size, size_t most)
{
    char out[8];
    LINE(line, "\"");
    for (size_t i = 0; i < size;) {
        size_t run = plain_run(text + i, size - i < most ? size - i : most);
        line_add(line, text + i, run);
        most -= run;
        i += run;
        if (i == size)
            break;
        size_t n = character(text + i, size - i), escaped = escape_json(text + i, n, out);
        if (escaped > most)
            break;
        line_add(line, out, escaped);
        most -= escaped;
        i += n ? n : 1;
    }
    LINE(line, "\"");
}

void line_hex(struct line *line, const char *text, size_t size, size_t most)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        bool plain = byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
        char out[8];
        size_t n = (size_t)(plain ? 1 : sprintf(out, "\\x%02X", byte));
        if (n > most)
            return;
        line_add(line, plain ? text + i : out, n);
        most -= n;
    }
}
