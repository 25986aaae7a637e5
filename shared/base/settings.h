#pragma once
/*
 * Every setting of a process in one table: it fills a struct, prints --help,
 * checks values at start (all faults at once) and writes .env.example.
 * Sources, first wins: environment, `--env-file FILE`, `.env` in the working
 * directory, the default. `NAME_FILE` names a file that holds the value (a
 * secret made by Docker, Kubernetes or a Vault agent); one trailing newline is cut.
 */
#include "base/ctx.h"

#include <stdio.h>

enum setting_kind {
    SETTING_TEXT = 1, /* const char * */
    SETTING_INTEGER,  /* int64_t, between min and max */
    SETTING_FLAG,     /* bool: true/false, yes/no, on/off, 1/0 */
    SETTING_MS,       /* int64_t milliseconds: 250ms, 5s, 10m, 2h, 7d */
    SETTING_BYTES,    /* int64_t: 512, 64k, 16M, 2G (powers of 1,024) */
    SETTING_ENUM,     /* int: index into values */
    SETTING_SECRET,   /* struct secret: from NAME or NAME_FILE, never printed */
    SETTING_GROUP     /* struct setting_items: see base/settings_group.h */
};

/* A secret that is read again when its file changes. Any thread. */
struct secret {
    const char *name; /* the setting's */
    const char *path; /* of NAME_FILE; NULL: the value came from the environment */
    const char *fixed;
    struct secret_file *file; /* what was read of `path` last; NULL: read at each call */
};

struct setting {
    const char *name; /* the environment's: "AUTH_LISTEN" */
    enum setting_kind kind;
    size_t offset;
    const char *value;                       /* the default as it would be written in the environment; NULL = none */
    int64_t min, max;                        /* INTEGER, MS, BYTES: both 0 = unbounded. TEXT, SECRET: length */
    const char *const *values;               /* ENUM: the names, NULL-terminated */
    const struct setting_group *group;       /* GROUP: base/settings_group.h */
    const char *(*wrong)(const char *value); /* TEXT: what is wrong with it, NULL = nothing; may be NULL */
    bool required;
    const char *unit; /* for --help */
    const char *help;
};

#define SETTING(name_, kind_, type_, member_, ...)                                                                     \
    {                                                                                                                  \
        .name = (name_), .kind = (kind_), .offset = offsetof(type_, member_), ##__VA_ARGS__                            \
    }

/*
 * Fills `out` from the table. Handles argv: --help (prints the table, exit 0),
 * --version, --env-example (settings_write_example), --env-file FILE; other arguments are refused unless `rest` takes
 * them (NULL-terminated, without argv[0]; --help and --version count before the
 * first of them only, `--` ends ours). On faults prints every one, a line each
 * (`NAME: reason`, never a value), and returns false: main exits 78 (EX_CONFIG).
 * An empty value turns a TEXT off (""); of other kinds it counts as not given.
 * What it returns lives in `ctx->arena`, which must outlive the process's work.
 */
bool settings_load(struct ctx *ctx, const struct setting *settings, void *out, int argc, char **argv, const char *about,
                   char ***rest);

/* One `.env.example`: help, range and default of every setting. */
void settings_write_example(const struct setting *settings, FILE *out);

/* The secret's value now, in `ctx->arena`; looks once a second whether the file's mtime or inode changed. NULL (and an
 * error) when it cannot be read. */
const char *secret_value(struct ctx *ctx, const struct secret *secret);
bool secret_given(const struct secret *secret);
