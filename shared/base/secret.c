#include "base/settings_parts.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_MS = 1000 };

struct secret_file {
    pthread_mutex_t lock;
    int64_t min, max;
    int64_t looked_ms;
    ino_t inode;
    struct timespec changed;
    char value[]; /* SECRET_ROOM bytes */
};

enum { SECRET_ROOM = 64 * 1024 + 1 };

static char *read_secret(struct arena *arena, const char *path, int64_t min, int64_t max, const char **reason)
{
    char *value = small_file_read(arena, path, reason);
    size_t size = value ? strlen(value) : 0;
    if (value && (!size || size < (size_t)min || (max && size > (size_t)max)))
        *reason = "has too few or too many characters";
    return *reason ? NULL : value;
}

struct secret_file *secret_follow(struct arena *arena, const struct setting *setting, const char *path,
                                  const char **reason)
{
    struct arena own = { 0 };
    struct stat about = { 0 };
    stat(path, &about); /* where it fails, reading says why */
    const char *value = read_secret(&own, path, setting->min, setting->max, reason);
    struct secret_file *file = NULL;
    if (value) {
        file = arena_alloc(arena, sizeof *file + SECRET_ROOM);
        pthread_mutex_init(&file->lock, NULL);
        file->min = setting->min;
        file->max = setting->max;
        file->looked_ms = clock_ms();
        file->inode = about.st_ino;
        file->changed = about.st_mtim;
        strcpy(file->value, value);
    }
    arena_free(&own);
    return file;
}

/* The caller holds the lock. A file that cannot be taken is looked at again at the next call. */
static bool refresh(struct ctx *ctx, const struct secret *secret, struct secret_file *file)
{
    if (clock_ms() - file->looked_ms < LOOK_MS)
        return true;
    struct stat about = { 0 };
    bool there = stat(secret->path, &about) == 0;
    if (there && about.st_ino == file->inode && about.st_mtim.tv_sec == file->changed.tv_sec &&
        about.st_mtim.tv_nsec == file->changed.tv_nsec) {
        file->looked_ms = clock_ms();
        return true;
    }
    struct arena own = { 0 };
    const char *reason, *value = read_secret(&own, secret->path, file->min, file->max, &reason);
    if (value) {
        strcpy(file->value, value);
        file->looked_ms = clock_ms();
        file->inode = about.st_ino;
        file->changed = about.st_mtim;
    } else
        ctx_fail(ctx, ERROR_UNAVAILABLE, "the secret %s cannot be read: %s", secret->name, reason);
    arena_free(&own);
    return value != NULL;
}

static const char *follow_value(struct ctx *ctx, const struct secret *secret)
{
    struct secret_file *file = secret->file;
    pthread_mutex_lock(&file->lock);
    const char *value = refresh(ctx, secret, file) ? arena_strdup(&ctx->arena, file->value) : NULL;
    pthread_mutex_unlock(&file->lock);
    return value;
}

const char *secret_value(struct ctx *ctx, const struct secret *secret)
{
    if (secret->fixed)
        return secret->fixed;
    if (secret->file)
        return follow_value(ctx, secret);
    const char *reason = "it is not set", *value = NULL;
    if (secret->path)
        value = read_secret(&ctx->arena, secret->path, 0, 0, &reason);
    if (value)
        return value;
    return ctx_fail(ctx, ERROR_UNAVAILABLE, "the secret %s cannot be read: %s", secret->name ? secret->name : "",
                    reason);
}

bool secret_given(const struct secret *secret)
{
    return secret->fixed || secret->path;
}
