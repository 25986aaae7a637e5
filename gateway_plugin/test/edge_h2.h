#pragma once
/* HTTP/2 in bytes, for tests: frames as they are told, right or wrong. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    H2_DATA,
    H2_HEADERS,
    H2_PRIORITY,
    H2_RST_STREAM,
    H2_SETTINGS,
    H2_PUSH_PROMISE,
    H2_PING,
    H2_GOAWAY,
    H2_WINDOW_UPDATE,
    H2_CONTINUATION
};
enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4, H2_PADDED = 8 };

struct h2_frame {
    uint32_t length, stream;
    unsigned type, flags;
    unsigned char payload[16384];
};

struct h2_field {
    const char *name, *value;
};

/* Preface and SETTINGS are sent. */
int h2_dial(int port);
/* The 9 bytes before a payload of `size`. */
void h2_frame_head(unsigned char *out, unsigned type, unsigned flags, uint32_t stream, size_t size);
void h2_send(int fd, unsigned type, unsigned flags, uint32_t stream, const void *payload, size_t size);
/* Literals without Huffman; ends with {0}. Returns the size. */
size_t h2_block(unsigned char *out, const struct h2_field *fields);
void h2_request(int fd, uint32_t stream, unsigned flags, const struct h2_field *fields);
void h2_get(int fd, uint32_t stream, const char *path);
/* false: the connection has ended, or nothing comes for 10 s. */
bool h2_read(int fd, struct h2_frame *frame);
/* The :status of HEADERS, as h2o writes it. */
int h2_status(const struct h2_frame *frame);
/* Reads until the stream has an answer: its status; 0: reset; -1: the connection has ended. The body, if wanted, into
 * `body`. */
int h2_answer(int fd, uint32_t stream, char *body, size_t room);
