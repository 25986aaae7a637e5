#pragma once
/* The files of a folder of migrations, read and checked. */
#include "store/migrate.h"

#include <jansson.h>

enum { MIGRATIONS_MAX = 1000, MIGRATION_BYTES = 1 << 20 };

struct migration_file {
    const char *name; /* without .json */
    const char *checksum;
    const json_t *root; /* owned by the list */
};

struct migration_files {
    struct migration_file *items;
    size_t count;
    json_t *roots; /* an array: owns them all */
};

/* In the order of their names. ERROR_INVALID names the file that is broken. */
bool migration_files_read(struct ctx *ctx, const char *dir, struct migration_files *out);
void migration_files_free(struct migration_files *files);
