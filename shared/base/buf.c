#include "base/buf.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRINTED_SMALL = 128 }; /* room to print into before it is known how long it is */

static void reserve(struct buf *buf, size_t more)
{
    if (buf->size + more + 1 <= buf->room)
        return;
    size_t room = buf->room ? buf->room * 2 : 256;
    while (room < buf->size + more + 1)
        room *= 2;
    char *data = arena_alloc(buf->arena, room);
    if (buf->size)
        memcpy(data, buf->data, buf->size);
    buf->data = data;
    buf->room = room;
}

void buf_add(struct buf *buf, const void *data, size_t size)
{
    reserve(buf, size);
    if (size)
        memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    buf->data[buf->size] = 0;
}

void buf_text(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
    buf_add(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    reserve(buf, PRINTED_SMALL);
    size_t room = buf->room - buf->size;
    int n = vsnprintf(buf->data + buf->size, room, format, args);
    if (n < 0)
        abort();
    if ((size_t)n >= room) {
        reserve(buf, (size_t)n);
        vsnprintf(buf->data + buf->size, (size_t)n + 1, format, again);
    }
    buf->size += (size_t)n;
    va_end(again);
    va_end(args);
}

void buf_json(struct buf *buf, const char *text)
{
    if (!text) {
        buf_add(buf, "null", 4);
        return;
    }
    buf_char(buf, '"');
    const char *plain = text; /* the run that is copied as it is */
    for (const char *c = text; *c;) {
        unsigned char byte = (unsigned char)*c;
        size_t n = byte < 0x80 ? 1 : utf8_length(c);
        if (n && byte >= 0x20 && byte != '"' && byte != '\\') {
            c += n;
            continue;
        }
        buf_add(buf, plain, (size_t)(c - plain));
        if (!n)
            buf_add(buf, "\xef\xbf\xbd", 3);
        else if (byte == '"' || byte == '\\')
            buf_printf(buf, "\\%c", byte);
        else if (byte == '\n')
            buf_add(buf, "\\n", 2);
        else
            buf_printf(buf, "\\u%04x", byte);
        plain = ++c;
    }
    buf_text(buf, plain);
    buf_char(buf, '"');
}
