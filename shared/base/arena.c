#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_SIZE = 8192 - 64, /* most requests fit into one */
    PRINTED_SMALL = 512,    /* what is printed is seldom longer: it is not gone through twice to be measured */
};

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

static struct arena_block *block_new(struct arena *arena, size_t size)
{
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        abort();
    block->next = arena->head;
    arena->head = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = _Alignof(max_align_t);
    if (size > PTRDIFF_MAX - align)
        abort();
    size = size ? (size + align - 1) & ~(align - 1) : align; /* nothing has an address too */
    if (size > arena->left) {
        if (size >= BLOCK_SIZE / 4) {
            /* A large piece gets a block of its own; what is left of the head stays in use. */
            struct arena_block *block = block_new(arena, size);
            return memset(block->data, 0, size);
        }
        struct arena_block *block = block_new(arena, BLOCK_SIZE);
        arena->next = (char *)block->data;
        arena->left = BLOCK_SIZE;
    }
    void *out = arena->next;
    arena->next += size;
    arena->left -= size;
    return memset(out, 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t size, size_t count)
{
    size_t total;
    if (__builtin_mul_overflow(size, count, &total))
        abort();
    return arena_alloc(arena, total);
}

char *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    char *out = arena_alloc(arena, size + 1);
    if (size)
        memcpy(out, data, size);
    return out;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return text ? arena_memdup(arena, text, strlen(text)) : NULL;
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    char small[PRINTED_SMALL];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, format, args);
    if (n < 0)
        abort();
    char *out = (size_t)n < sizeof small ? arena_memdup(arena, small, (size_t)n) : arena_alloc(arena, (size_t)n + 1);
    if ((size_t)n >= sizeof small)
        vsnprintf(out, (size_t)n + 1, format, again);
    va_end(again);
    return out;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *out = arena_vprintf(arena, format, args);
    va_end(args);
    return out;
}

void arena_free(struct arena *arena)
{
    while (arena->head) {
        struct arena_block *block = arena->head;
        arena->head = block->next;
        free(block);
    }
    *arena = (struct arena){ 0 };
}
