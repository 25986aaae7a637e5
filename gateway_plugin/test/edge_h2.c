#include "edge_h2.h"

#include "edge_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int h2_dial(int port)
{
    int fd = dial(port);
    say(fd, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    h2_send(fd, H2_SETTINGS, 0, 0, NULL, 0);
    return fd;
}

void h2_frame_head(unsigned char *out, unsigned type, unsigned flags, uint32_t stream, size_t size)
{
    const unsigned char head[] = { (unsigned char)(size >> 16),   (unsigned char)(size >> 8),
                                   (unsigned char)size,           (unsigned char)type,
                                   (unsigned char)flags,          (unsigned char)(stream >> 24),
                                   (unsigned char)(stream >> 16), (unsigned char)(stream >> 8),
                                   (unsigned char)stream };
    memcpy(out, head, sizeof head);
}

void h2_send(int fd, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size)
{
    unsigned char out[9 + 16384];
    h2_frame_head(out, type, flags, stream, size);
    if (size)
        memcpy(out + 9, payload, size);
    say_bytes(fd, out, 9 + size);
}

static unsigned char *put_text(unsigned char *out, const char *text)
{
    size_t size = strlen(text);
    if (size < 127) {
        *out++ = (unsigned char)size;
    } else {
        *out++ = 127;
        for (size_t left = size - 127;; left >>= 7) {
            if (left < 128) {
                *out++ = (unsigned char)left;
                break;
            }
            *out++ = (unsigned char)(left & 127) | 128;
        }
    }
    memcpy(out, text, size);
    return out + size;
}

size_t h2_block(unsigned char *out, const struct h2_field *fields)
{
    unsigned char *at = out;
    for (; fields->name; fields++) {
        *at++ = 0; /* a literal, not to be indexed, with a new name */
        at = put_text(at, fields->name);
        at = put_text(at, fields->value);
    }
    return (size_t)(at - out);
}

void h2_request(int fd, uint32_t stream, unsigned flags, const struct h2_field *fields)
{
    unsigned char block[16384];
    h2_send(fd, H2_HEADERS, flags | H2_END_HEADERS, stream, block, h2_block(block, fields));
}

void h2_get(int fd, uint32_t stream, const char *path)
{
    const struct h2_field fields[] = {
        { ":method", "GET" }, { ":scheme", "http" }, { ":path", path }, { ":authority", "music.example" }, { 0 }
    };
    h2_request(fd, stream, H2_END_STREAM, fields);
}

static bool read_bytes(int fd, void *out, size_t size)
{
    char *at = out;
    while (size) {
        ssize_t got = recv(fd, at, size, 0);
        if (got <= 0)
            return false;
        at += got;
        size -= (size_t)got;
    }
    return true;
}

bool h2_read(int fd, struct h2_frame *frame)
{
    unsigned char head[9];
    if (!read_bytes(fd, head, sizeof head))
        return false;
    frame->length = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream = (uint32_t)(head[5] & 127) << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 | head[8];
    return frame->length <= sizeof frame->payload && read_bytes(fd, frame->payload, frame->length);
}

int h2_status(const struct h2_frame *frame)
{
    static const int indexed[] = { 200, 204, 206, 304, 400, 404, 500 };
    unsigned first = frame->payload[0];
    if (first >= 0x88 && first <= 0x8e)
        return indexed[first - 0x88];
    return atoi((const char[]){ (char)frame->payload[2], (char)frame->payload[3], (char)frame->payload[4], 0 });
}

int h2_answer(int fd, uint32_t stream, char *body, size_t room)
{
    static _Thread_local struct h2_frame frame;
    int status = -1;
    size_t got = 0;
    if (room)
        body[0] = 0;
    while (h2_read(fd, &frame)) {
        if (frame.type == H2_SETTINGS && !(frame.flags & H2_ACK))
            h2_send(fd, H2_SETTINGS, H2_ACK, 0, NULL, 0);
        if (frame.type == H2_GOAWAY && frame.length >= 8 && frame.payload[7])
            return -1;
        if (frame.stream != stream)
            continue;
        if (frame.type == H2_RST_STREAM)
            return 0;
        if (frame.type == H2_HEADERS)
            status = h2_status(&frame);
        if (frame.type == H2_DATA && got + frame.length < room) {
            memcpy(body + got, frame.payload, frame.length);
            got += frame.length;
            body[got] = 0;
        }
        if (frame.type <= H2_HEADERS && frame.flags & H2_END_STREAM)
            return status;
    }
    return -1;
}
