#pragma once
/* The folder of one process below PROJECTION_DIR, and the libraries in it: NUMBER.db, the highest is the newest. */
#include "projection/library.h"

struct projection_folder {
    char *path;
    int lock; /* held for as long as the process lives */
};

/* The first one that no other process holds. */
bool projection_folder_take(struct ctx *ctx, const char *dir, struct projection_folder *out);
void projection_folder_release(struct projection_folder *folder);

/* The newest finished library; all other files go. NULL without an error: there is none. */
struct library *projection_folder_newest(struct ctx *ctx, const struct projection_folder *folder);
/* A new one, of the next number. */
struct library *projection_folder_next(struct ctx *ctx, const struct projection_folder *folder);
/* Removes all but the one of the highest number. */
void projection_folder_tidy(const struct projection_folder *folder);
