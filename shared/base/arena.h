#pragma once
/*
 * The memory of one unit of work: bump allocation in blocks, freed all at once.
 * Not shared between threads at the same time; it may move from one to the next.
 * Out of memory aborts: the limits at the door keep it from happening.
 */
#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head;
    char *next; /* free space in the head block */
    size_t left;
};

/* `size` zeroed bytes, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t size);
/* The same for `count` times `size`; a product that overflows aborts. */
void *arena_alloc_array(struct arena *arena, size_t size, size_t count);
char *arena_strdup(struct arena *arena, const char *text);
/* Copies `size` bytes and ends them with a NUL that is not counted. */
char *arena_memdup(struct arena *arena, const void *data, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(1, 2)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args) __attribute__((nonnull(1, 2)));
/* Frees all that was allocated; the arena may be used again. */
void arena_free(struct arena *arena);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc_array((arena), sizeof(type), (count)))
