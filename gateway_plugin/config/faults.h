#pragma once
/* What is wrong with a configuration, all of it at once: FILE:LINE: FIELD: reason. */
#include "base/buf.h"

#include <stdbool.h>

enum { FAULTS_SHOWN = 200 }; /* further ones are counted only */

struct fault {
    struct fault *next;
    int line;
    const char *field, *reason;
};

struct faults {
    struct arena *arena;
    const char *file;
    struct fault *first;
    size_t count;
};

#define FAULTS(arena_, file_) ((struct faults){ .arena = (arena_), .file = (file_) })

/* Always false, so that a reader can `return fault(...)`. */
bool fault(struct faults *faults, int line, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5), nonnull(4)));
/* A line for each fault, in the order of the file. */
void faults_write(struct faults *faults, struct buf *out);
