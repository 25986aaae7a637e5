#include "logs/access_files.h"

#include "base/clock.h"
#include "base/log.h"
#include "must.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 32, BATCH_MAX = 1 << 20, RETRY_MS = 1000 };

struct file {
    char *path;                           /* NULL: free */
    int fd;                               /* -1: not open */
    bool borrowed, regular, torn, follow; /* torn: a line was written in part */
    int64_t retry_ms, used;
    char *batch;
    size_t start, size; /* written up to here, filled to here */
};

struct access_files {
    struct file files[FILES_MAX];
    int64_t turn, lost;
};

struct access_files *access_files_create(void)
{
    return must(calloc(1, sizeof(struct access_files)));
}

static void close_file(struct file *file)
{
    if (file->fd >= 0 && !file->borrowed)
        close(file->fd);
    file->fd = -1;
}

static int64_t count_lines(const char *data, size_t size)
{
    int64_t count = 0;
    for (const char *at = data; (at = memchr(at, '\n', size - (size_t)(at - data))); at++)
        count++;
    return count;
}

static void forget(struct access_files *files, struct file *file)
{
    files->lost += count_lines(file->batch + file->start, file->size - file->start);
    close_file(file);
    free(file->path);
    free(file->batch);
    *file = (struct file){ .fd = -1 };
}

void access_files_destroy(struct access_files *files)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files->files[i].path)
            forget(files, &files->files[i]);
    free(files);
}

static int borrowed_fd(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 ? STDOUT_FILENO : strcmp(path, "/dev/stderr") == 0 ? STDERR_FILENO : -1;
}

/* 0, or an errno. */
static int open_file(struct file *file)
{
    struct stat info;
    int fd = borrowed_fd(file->path);
    file->borrowed = fd >= 0;
    /* Non-blocking: a pipe without a reader is no reason to wait. */
    if (!file->borrowed)
        fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        return errno;
    if (fstat(fd, &info) != 0)
        return errno;
    file->fd = fd;
    file->regular = S_ISREG(info.st_mode);
    return 0;
}

/* Who opens in vain waits a second, and says so once. */
static bool ensure_open(struct file *file)
{
    int64_t now = clock_ms();
    if (file->fd >= 0)
        return true;
    if (now < file->retry_ms)
        return false;
    int error = open_file(file);
    if (!error) {
        file->retry_ms = 0;
        return true;
    }
    if (!file->retry_ms)
        log_warn(NULL, "a log cannot be opened: its lines are lost", "file", file->path, "why", strerror(error));
    file->retry_ms = now + RETRY_MS;
    return false;
}

static struct file *find(struct access_files *files, const char *path)
{
    struct file *place = &files->files[0]; /* a free one, else the one that has rested longest */
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct file *file = &files->files[i];
        if (file->path && strcmp(file->path, path) == 0)
            return file;
        if (file->used < place->used)
            place = file;
    }
    if (place->path)
        forget(files, place);
    *place =
        (struct file){ .path = must(strdup(path)), .batch = must(malloc(BATCH_MAX)), .fd = -1, .used = ++files->turn };
    return place;
}

int access_files_try(struct access_files *files, const char *path)
{
    struct file *file = find(files, path);
    return file->fd >= 0 ? 0 : open_file(file);
}

/* Was it moved away? */
static void look_after(struct file *file)
{
    struct stat there, ours;
    if (file->fd < 0 || file->borrowed)
        return;
    if (stat(file->path, &there) != 0 || fstat(file->fd, &ours) != 0 || there.st_ino != ours.st_ino ||
        there.st_dev != ours.st_dev)
        close_file(file);
}

/* What can be written in one piece without waiting: a regular file takes all, a pipe whole lines of at most PIPE_BUF,
 * so that those of several processes do not mix. */
static size_t piece(const struct file *file)
{
    const char *begin = file->batch + file->start;
    size_t size = file->size - file->start;
    if (file->regular || size <= PIPE_BUF)
        return size;
    const char *end = memrchr(begin, '\n', PIPE_BUF);
    return end ? (size_t)(end + 1 - begin) : PIPE_BUF;
}

static bool takes(const struct file *file)
{
    struct pollfd fd = { .fd = file->fd, .events = POLLOUT };
    return file->regular || (poll(&fd, 1, 0) == 1 && fd.revents & POLLOUT);
}

static void written(struct file *file, size_t size)
{
    file->start += size;
    file->torn = size && file->batch[file->start - 1] != '\n';
    if (file->start == file->size)
        file->start = file->size = 0;
}

static void drop_batch(struct access_files *files, struct file *file)
{
    files->lost += count_lines(file->batch + file->start, file->size - file->start);
    file->start = file->size = 0;
}

/* false: something is left, because it does not take it now. */
static bool flush(struct access_files *files, struct file *file)
{
    if (file->size && file->follow)
        look_after(file);
    while (file->size) {
        if (!ensure_open(file)) {
            drop_batch(files, file);
            return true;
        }
        if (!takes(file))
            return false;
        ssize_t done = write(file->fd, file->batch + file->start, piece(file));
        if (done >= 0) {
            written(file, (size_t)done);
        } else if (errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            /* A full disk, a reader that has gone: these lines are lost, later ones may not be. */
            drop_batch(files, file);
            close_file(file);
        }
    }
    return true;
}

static bool make_room(struct access_files *files, struct file *file, size_t size)
{
    if (file->size + size > BATCH_MAX)
        flush(files, file);
    if (file->size + size > BATCH_MAX && file->start) {
        file->size -= file->start;
        memmove(file->batch, file->batch + file->start, file->size);
        file->start = 0;
    }
    return file->size + size <= BATCH_MAX;
}

static void append(struct file *file, const char *line, size_t size)
{
    memcpy(file->batch + file->size, line, size);
    file->size += size;
}

bool access_files_add(struct access_files *files, const char *path, bool follow, const char *line, size_t size)
{
    struct file *file = find(files, path);
    file->used = ++files->turn;
    file->follow = follow;
    if (!make_room(files, file, size + 1))
        return false;
    /* What is left of a line that a full disk has cut does not spoil the next one. */
    if (file->torn && !file->size)
        append(file, "\n", 1);
    append(file, line, size);
    return true;
}

bool access_files_flush(struct access_files *files)
{
    bool all = true;
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files->files[i].path)
            all &= flush(files, &files->files[i]);
    return all;
}

void access_files_reopen(struct access_files *files)
{
    for (size_t i = 0; i < FILES_MAX; i++)
        if (files->files[i].path)
            close_file(&files->files[i]);
}

int64_t access_files_lost(struct access_files *files)
{
    int64_t lost = files->lost;
    files->lost = 0;
    return lost;
}
