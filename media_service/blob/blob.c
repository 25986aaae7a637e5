#include "blob/blob.h"

#include "base/cleanup.h"
#include "base/random.h"
#include "base/text.h"
#include "disk/make_path.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
    CHUNK = 256 << 10,
    PATH_ROOM = 2 + 1 + 2 + 1 + SHA256_HEX + 1, /* "ab/cd/abcd..." */
    TEMPORARY_ROOM = 64,
    LOW_WATER = 64 << 20, /* bytes left on the disk at which /ready says so */
};

struct blobs {
    int folder;
    char *spool;
};

/* Says why a system call on the blobs failed. */
static void *io_fail(struct ctx *ctx, const char *what)
{
    if (errno == ENOSPC || errno == EDQUOT)
        return ctx_fail(ctx, ERROR_DISK_FULL, "there is no room left to store files");
    return ctx_fail(ctx, ERROR_INTERNAL, "blobs: %s: %s", what, strerror(errno));
}

struct blobs *blobs_open(struct ctx *ctx, const char *url)
{
    static const char scheme[] = "file:";
    const char *dir = url + strlen(scheme);
    if (!text_starts(url, scheme) || !*dir || text_starts(dir, "//"))
        return ctx_fail(ctx, ERROR_INVALID, "BLOB_URL must be file:DIR");
    if (!make_path(dir))
        return ctx_fail(ctx, ERROR_INVALID, "BLOB_URL: %s cannot be made: %s", dir, strerror(errno));
    int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || (mkdirat(folder, "tmp", 0700) < 0 && errno != EEXIST) ||
        faccessat(folder, "tmp", W_OK | X_OK, 0) < 0) {
        ctx_fail(ctx, ERROR_INVALID, "BLOB_URL: %s cannot be written: %s", dir, strerror(errno));
        if (folder >= 0)
            close(folder);
        return NULL;
    }
    struct blobs *blobs = calloc(1, sizeof *blobs);
    blobs->folder = folder;
    blobs->spool = strdup(arena_printf(&ctx->arena, "%s/tmp", dir));
    return blobs;
}

void blobs_close(struct blobs *blobs)
{
    close(blobs->folder);
    free(blobs->spool);
    free(blobs);
}

const char *blobs_spool(const struct blobs *blobs)
{
    return blobs->spool;
}

int blobs_folder(const struct blobs *blobs)
{
    return blobs->folder;
}

bool blobs_ready(struct ctx *ctx, void *self)
{
    const struct blobs *blobs = self;
    struct statvfs room;
    if (fstatvfs(blobs->folder, &room) < 0 || faccessat(blobs->folder, "tmp", W_OK | X_OK, 0) < 0)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the blobs' folder is away: %s", strerror(errno));
    if ((unsigned long long)room.f_bavail * room.f_frsize < LOW_WATER)
        return ctx_fail(ctx, ERROR_DISK_FULL, "there is no room left to store files");
    return true;
}

static void digest_free(EVP_MD_CTX **digest)
{
    EVP_MD_CTX_free(*digest);
}

static bool hash_file(struct ctx *ctx, int fd, char *hash, int64_t *size)
{
    _cleanup_(digest_free) EVP_MD_CTX *digest = EVP_MD_CTX_new();
    unsigned char out[SHA256_SIZE];
    char *chunk = arena_alloc(&ctx->arena, CHUNK);
    ssize_t got;
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    *size = 0;
    while ((got = pread(fd, chunk, CHUNK, *size)) > 0) {
        EVP_DigestUpdate(digest, chunk, (size_t)got);
        *size += got;
    }
    if (got < 0)
        return io_fail(ctx, "read");
    EVP_DigestFinal_ex(digest, out, NULL);
    strcpy(hash, hex_encode(&ctx->arena, out, sizeof out));
    return true;
}

static void blob_path(char path[static PATH_ROOM + 4], const char *hash)
{
    snprintf(path, PATH_ROOM + 4, "%.2s/%.2s/%s", hash, hash + 2, hash);
}

/* What was made in a folder is there after a power cut only when the folder was synced. */
static bool sync_folder(int folder, const char *name)
{
    _cleanup_(closep) int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0;
}

static bool make_fan(int folder, const char *hash)
{
    char first[3], second[6];
    snprintf(first, sizeof first, "%.2s", hash);
    snprintf(second, sizeof second, "%.2s/%.2s", hash, hash + 2);
    return (mkdirat(folder, first, 0700) == 0 || errno == EEXIST) &&
           (mkdirat(folder, second, 0700) == 0 || errno == EEXIST);
}

/* All the way up: what is there already may be of one who was killed before it synced. */
static bool sync_fan(int folder, const char *hash)
{
    char first[3], second[6];
    snprintf(first, sizeof first, "%.2s", hash);
    snprintf(second, sizeof second, "%.2s/%.2s", hash, hash + 2);
    return sync_folder(folder, second) && sync_folder(folder, first) && sync_folder(folder, ".");
}

/* A blob is used again: it is young again for the sweep. false: none, or a torn one. */
static bool touch(int folder, const char *path, int64_t size)
{
    struct stat there;
    return fstatat(folder, path, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_size == size &&
           utimensat(folder, path, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool copy_to(struct ctx *ctx, int from, int to)
{
    char *chunk = arena_alloc(&ctx->arena, CHUNK);
    int64_t at = 0;
    ssize_t got;
    while ((got = pread(from, chunk, CHUNK, at)) > 0)
        for (ssize_t done = 0; done < got;) {
            ssize_t wrote = pwrite(to, chunk + done, (size_t)(got - done), at);
            if (wrote < 0)
                return false;
            done += wrote;
            at += wrote;
        }
    return got == 0;
}

/* Gives the unlinked file of `fd` a name. */
static bool link_file(int folder, int fd, const char *name)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, self, folder, name, AT_SYMLINK_FOLLOW) == 0;
}

/* As a temporary name first: rename() also replaces a torn blob, link() would not. */
static bool place(int folder, int fd, const char *path)
{
    char name[TEMPORARY_ROOM];
    unsigned char random[8];
    random_bytes(random, sizeof random);
    snprintf(name, sizeof name, "tmp/%02x%02x%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2], random[3],
             random[4], random[5], random[6], random[7]);
    if (!link_file(folder, fd, name))
        return false;
    if (renameat(folder, name, folder, path) == 0)
        return true;
    int why = errno;
    unlinkat(folder, name, 0);
    errno = why;
    return false;
}

static int unnamed(struct ctx *ctx, const struct blobs *blobs)
{
    int fd = openat(blobs->folder, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        io_fail(ctx, "a new file");
    return fd;
}

static bool store_file(struct ctx *ctx, struct blobs *blobs, int fd, const char *hash, int64_t size)
{
    char path[PATH_ROOM + 4];
    blob_path(path, hash);
    if (touch(blobs->folder, path, size))
        return sync_fan(blobs->folder, hash) || io_fail(ctx, "sync");
    if (fsync(fd) < 0 || !make_fan(blobs->folder, hash))
        return io_fail(ctx, "sync");
    if (place(blobs->folder, fd, path))
        return sync_fan(blobs->folder, hash) || io_fail(ctx, "sync");
    if (errno != ENOENT && errno != EXDEV)
        return io_fail(ctx, "link");
    /* Not an O_TMPFILE of this file system: its bytes move into one. */
    _cleanup_(closep) int own = unnamed(ctx, blobs);
    if (own < 0)
        return false;
    if (!copy_to(ctx, fd, own) || fsync(own) < 0 || !place(blobs->folder, own, path) || !sync_fan(blobs->folder, hash))
        return io_fail(ctx, "copy");
    return true;
}

bool blob_keep(struct ctx *ctx, struct blobs *blobs, int fd, char *hash)
{
    int64_t size;
    return hash_file(ctx, fd, hash, &size) && store_file(ctx, blobs, fd, hash, size);
}

bool blob_keep_bytes(struct ctx *ctx, struct blobs *blobs, const void *data, size_t size, char *hash)
{
    _cleanup_(closep) int fd = unnamed(ctx, blobs);
    if (fd < 0)
        return false;
    for (size_t done = 0; done < size;) {
        ssize_t wrote = write(fd, (const char *)data + done, size - done);
        if (wrote < 0)
            return io_fail(ctx, "write");
        done += (size_t)wrote;
    }
    return blob_keep(ctx, blobs, fd, hash);
}

int blob_open(struct ctx *ctx, const struct blobs *blobs, const char *hash, int64_t *size)
{
    char path[PATH_ROOM + 4];
    unsigned char raw[SHA256_SIZE];
    struct stat file;
    if (!hex_decode(hash, raw, sizeof raw)) {
        ctx_fail(ctx, ERROR_NOT_FOUND, "no such file");
        return -1;
    }
    blob_path(path, hash);
    int fd = openat(blobs->folder, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &file) < 0) {
        if (errno == ENOENT)
            ctx_fail(ctx, ERROR_NOT_FOUND, "no such file");
        else
            io_fail(ctx, "open");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *size = file.st_size;
    return fd;
}
