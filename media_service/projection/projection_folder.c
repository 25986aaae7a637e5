#include "projection/projection_folder.h"

#include "base/text.h"
#include "disk/make_path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { FOLDERS_MAX = 64 };

/* 1: it is ours; 0: another process has it; -1: it cannot be written. */
static int try_folder(const char *path, int *lock)
{
    char name[4096];
    if (!make_path(path) || (size_t)snprintf(name, sizeof name, "%s/lock", path) >= sizeof name)
        return -1;
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        *lock = fd;
        return 1;
    }
    close(fd);
    return errno == EWOULDBLOCK ? 0 : -1;
}

bool projection_folder_take(struct ctx *ctx, const char *dir, struct projection_folder *out)
{
    for (int i = 0; i < FOLDERS_MAX; i++) {
        const char *path = arena_printf(&ctx->arena, "%s/%d", dir, i);
        int taken = try_folder(path, &out->lock);
        if (taken < 0)
            return ctx_fail(ctx, ERROR_INVALID, "PROJECTION_DIR: %s cannot be written: %s", path, strerror(errno));
        if (taken) {
            out->path = strdup(path);
            return true;
        }
    }
    return ctx_fail(ctx, ERROR_INVALID, "PROJECTION_DIR: %s is used by %d other processes", dir, FOLDERS_MAX);
}

void projection_folder_release(struct projection_folder *folder)
{
    close(folder->lock);
    free(folder->path);
}

/* The highest number below `below`; 0: none. */
static int64_t highest(const struct projection_folder *folder, int64_t below)
{
    int64_t best = 0, number;
    DIR *files = opendir(folder->path);
    for (const struct dirent *entry; files && (entry = readdir(files));) {
        char name[32];
        size_t length = strlen(entry->d_name);
        if (length >= sizeof name || !text_ends(entry->d_name, ".db"))
            continue;
        memcpy(name, entry->d_name, length - 3);
        name[length - 3] = '\0';
        if (text_number(name, INT32_MAX, &number) && number < below && number > best)
            best = number;
    }
    if (files)
        closedir(files);
    return best;
}

static const char *file_of(struct arena *arena, const struct projection_folder *folder, int64_t number)
{
    return arena_printf(arena, "%s/%lld.db", folder->path, (long long)number);
}

void projection_folder_tidy(const struct projection_folder *folder)
{
    struct arena arena = { 0 };
    int64_t newest = highest(folder, INT64_MAX);
    for (int64_t number = newest; (number = highest(folder, number)) > 0;)
        library_remove(file_of(&arena, folder, number));
    arena_free(&arena);
}

struct library *projection_folder_newest(struct ctx *ctx, const struct projection_folder *folder)
{
    for (int64_t number; (number = highest(folder, INT64_MAX)) > 0;) {
        const char *path = file_of(&ctx->arena, folder, number);
        struct library *library = library_open(ctx, path);
        if (library) {
            projection_folder_tidy(folder);
            return library;
        }
        if (!ctx_forgive(ctx, ERROR_NOT_FOUND))
            return NULL;
        library_remove(path);
    }
    return NULL;
}

struct library *projection_folder_next(struct ctx *ctx, const struct projection_folder *folder)
{
    return library_create(ctx, file_of(&ctx->arena, folder, highest(folder, INT64_MAX) + 1));
}
