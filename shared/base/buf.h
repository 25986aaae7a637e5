#pragma once
/* Text or bytes that grow in an arena. `data` is always ended by a NUL that is not counted. */
#include "base/arena.h"

struct buf {
    struct arena *arena;
    char *data; /* NULL while empty */
    size_t size;
    size_t room;
};

#define BUF(arena_) ((struct buf){ .arena = (arena_) })

void buf_add(struct buf *buf, const void *data, size_t size);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(1, 2)));
/* `text` as a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD. NULL is written as null. */
void buf_json(struct buf *buf, const char *text);
