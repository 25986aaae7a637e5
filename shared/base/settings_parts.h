#pragma once
/* What the files of the settings share. */
#include "base/settings_group.h"

/* One NAME=value of an env file; the last of a name counts. */
struct env_line {
    const char *name, *value;
    struct env_line *before;
};

/* Reads `path`; faults are violations named "FILE:LINE" in ctx->error. `*last` is left where the file is not there and
 * may be absent. */
bool env_file_read(struct ctx *ctx, const char *path, bool may_be_absent, struct env_line **last);

/* The content of a file without one trailing newline: at most 64 KiB, no NUL. NULL and the reason where it cannot be
 * had. */
char *small_file_read(struct arena *arena, const char *path, const char **reason);

/* Puts `value` into the member at `to`; returns what is wrong with it (in `arena`), NULL where nothing is. Not for
 * SECRET; of a GROUP it takes the names (const char *). */
const char *setting_take(struct arena *arena, const struct setting *setting, const char *value, void *to);
/* "AUTH_OIDC_GOOGLE_CLIENT_ID" */
char *setting_item_name(struct arena *arena, const struct setting_group *group, const char *item, const char *setting);
/* "1 to 64", "at least 5s": what a number may be; NULL = anything. */
const char *setting_range(struct arena *arena, const struct setting *setting);
/* "250ms", "19M": a value as it would be written. */
const char *setting_spell(struct arena *arena, const struct setting *setting, int64_t value);

/* --help */
void settings_print_help(const struct setting *settings, const char *program, const char *about, FILE *out);

/* Begins to follow the file; NULL and the reason where it cannot be read now, or the value is too short or too long. */
struct secret_file *secret_follow(struct arena *arena, const struct setting *setting, const char *path,
                                  const char **reason);
