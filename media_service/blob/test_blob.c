/* Blobs in a folder, and the marker that ties the folder to its store. */
#include "base/text.h"
#include "blob/blob.h"
#include "blob/marker.h"
#include "store/migrate.h"
#include "test/audio_files.h"
#include "test/folder.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ctx ctx;
static struct blobs *blobs;
static char dir[64];

static const char *in_dir(const char *name)
{
    return arena_printf(&ctx.arena, "%s/%s", dir, name);
}

static struct blobs *open_at(const char *name)
{
    struct blobs *opened = blobs_open(&ctx, arena_printf(&ctx.arena, "file:%s", in_dir(name)));
    cr_assert(opened, "%s", ctx.error ? ctx.error->message : "");
    return opened;
}

static void setup(void)
{
    folder_make(dir);
    blobs = open_at("blobs");
}

static void teardown(void)
{
    blobs_close(blobs);
    ctx_finish(&ctx);
    folder_remove(dir);
}

TestSuite(blob, .init = setup, .fini = teardown, .timeout = 60);

static char *read_blob(const char *hash)
{
    int64_t size;
    int fd = blob_open(&ctx, blobs, hash, &size);
    cr_assert(fd >= 0, "%s", ctx.error ? ctx.error->message : "");
    char *text = arena_alloc(&ctx.arena, (size_t)size + 1);
    cr_assert_eq(read(fd, text, (size_t)size), size);
    close(fd);
    return text;
}

static int spooled(const char *text)
{
    int fd = open(blobs_spool(blobs), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

static ino_t inode(const char *hash)
{
    struct stat file;
    const char *path = arena_printf(&ctx.arena, "%s/blobs/%.2s/%.2s/%s", dir, hash, hash + 2, hash);
    cr_assert(stat(path, &file) == 0);
    return file.st_ino;
}

Test(blob, keeps_what_it_is_given_under_its_hash)
{
    char hash[SHA256_HEX + 1];
    cr_assert(blob_keep_bytes(&ctx, blobs, "hello", 5, hash));
    cr_expect_str_eq(hash, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    cr_expect_str_eq(read_blob(hash), "hello");
    cr_assert(blob_keep_bytes(&ctx, blobs, "", 0, hash));
    cr_expect_str_eq(read_blob(hash), "");
}

Test(blob, an_upload_in_the_spool_folder_becomes_the_blob_itself)
{
    char hash[SHA256_HEX + 1];
    struct stat file;
    int fd = spooled("an upload");
    cr_assert(blob_keep(&ctx, blobs, fd, hash));
    cr_assert(fstat(fd, &file) == 0);
    cr_expect_eq(file.st_ino, inode(hash));
    cr_expect_eq(file.st_nlink, 1);
    cr_expect_str_eq(read_blob(hash), "an upload");
    cr_expect_eq(folder_files(in_dir("blobs/tmp")), 0);
    close(fd);
}

Test(blob, a_file_from_elsewhere_is_copied)
{
    char hash[SHA256_HEX + 1], *path = strdup(in_dir("elsewhere"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(write(fd, "unlinked", 8) == 8);
    unlink(path);
    cr_assert(blob_keep(&ctx, blobs, fd, hash), "%s", ctx.error ? ctx.error->message : "");
    cr_expect_str_eq(read_blob(hash), "unlinked");
    free(path);
    close(fd);
}

Test(blob, equal_bytes_are_one_blob_and_young_again)
{
    char first[SHA256_HEX + 1], second[SHA256_HEX + 1];
    cr_assert(blob_keep_bytes(&ctx, blobs, "same", 4, first));
    ino_t before = inode(first);
    const char *path = arena_printf(&ctx.arena, "%s/blobs/%.2s/%.2s/%s", dir, first, first + 2, first);
    struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    cr_assert(utimensat(AT_FDCWD, path, old, 0) == 0);
    cr_assert(blob_keep_bytes(&ctx, blobs, "same", 4, second));
    struct stat file;
    cr_assert(stat(path, &file) == 0);
    cr_expect_str_eq(first, second);
    cr_expect_eq(file.st_ino, before);
    cr_expect_gt(file.st_mtime, 1000);
}

Test(blob, a_torn_blob_is_replaced)
{
    char hash[SHA256_HEX + 1];
    cr_assert(blob_keep_bytes(&ctx, blobs, "whole", 5, hash));
    const char *path = arena_printf(&ctx.arena, "%s/blobs/%.2s/%.2s/%s", dir, hash, hash + 2, hash);
    cr_assert(truncate(path, 2) == 0);
    cr_assert(blob_keep_bytes(&ctx, blobs, "whole", 5, hash));
    cr_expect_str_eq(read_blob(hash), "whole");
}

Test(blob, what_is_no_hash_is_not_found)
{
    static const char *const names[] = { "",       "../../marker",
                                         "x",      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
                                         "marker", "..................................................." };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t size;
        ctx.error = NULL;
        cr_expect_eq(blob_open(&ctx, blobs, names[i], &size), -1);
        cr_expect_eq(ctx.error->code, ERROR_NOT_FOUND, "%s", names[i]);
    }
}

Test(blob, a_url_that_is_no_folder_is_refused)
{
    static const char *const urls[] = { "", "s3://x/y", "file:", "file:///x", "/tmp/x", "file:/dev/null/x" };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        ctx.error = NULL;
        cr_expect_null(blobs_open(&ctx, urls[i]), "%s", urls[i]);
        cr_expect_eq(ctx.error->code, ERROR_INVALID);
    }
}

Test(blob, a_full_disk_is_said_and_leaves_nothing)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        cr_skip_test("only root may mount");
    cr_assert(mkdir(in_dir("small"), 0700) == 0);
    cr_assert(mount("tmpfs", in_dir("small"), "tmpfs", 0, "size=1m") == 0);
    struct blobs *small = open_at("small");
    char hash[SHA256_HEX + 1], *bytes = calloc(1, 2 << 20);
    int fd = bytes_file(bytes, 2 << 20);
    cr_expect(!blob_keep_bytes(&ctx, small, bytes, 2 << 20, hash));
    cr_expect_eq(ctx.error->code, ERROR_DISK_FULL);
    ctx.error = NULL;
    cr_expect(!blob_keep(&ctx, small, fd, hash));
    cr_expect_eq(ctx.error->code, ERROR_DISK_FULL);
    ctx.error = NULL;
    cr_expect_eq(folder_files(in_dir("small")), 0);
    cr_expect(blob_keep_bytes(&ctx, small, bytes, 1000, hash));
    ctx.error = NULL;
    cr_expect(!blobs_ready(&ctx, small));
    blobs_close(small);
    umount(in_dir("small"));
    free(bytes);
    close(fd);
}

static struct store *store_at(const char *name)
{
    static const struct collection *const collections[] = { &marker_collection, NULL };
    struct store_options options = { .url = arena_printf(&ctx.arena, "embedded:%s", in_dir(name)), .service = "media" };
    struct store *store = store_open(&ctx, &options, collections);
    cr_assert(store, "%s", ctx.error ? ctx.error->message : "");
    mkdir(in_dir("migrations"), 0700);
    FILE *file = fopen(in_dir("migrations/0001_marker.json"), "w");
    fputs("{\"collections\":[{\"name\":\"blobMarkers\",\"indexes\":[]}]}", file);
    fclose(file);
    cr_assert(migrate(&ctx, store, in_dir("migrations"), NULL, NULL), "%s", ctx.error ? ctx.error->message : "");
    return store;
}

static bool refused(struct blobs *some, struct store *store)
{
    ctx.error = NULL;
    bool no = !blobs_marked(&ctx, some, store) && ctx.error->code == ERROR_CONFLICT;
    ctx.error = NULL;
    return no;
}

Test(blob, folder_and_store_belong_together)
{
    struct store *store = store_at("store"), *stranger = store_at("stranger");
    struct blobs *empty = open_at("empty");
    cr_assert(blobs_marked(&ctx, blobs, store), "%s", ctx.error ? ctx.error->message : "");
    cr_assert(blobs_marked(&ctx, blobs, store));
    cr_expect(refused(empty, store), "an empty folder");
    cr_expect(refused(blobs, stranger), "a new store");
    cr_assert(blobs_marked(&ctx, empty, stranger));
    cr_expect(refused(empty, store), "another's folder");
    cr_expect(blobs_marked(&ctx, blobs, store));
    blobs_close(empty);
    store_close(store);
    store_close(stranger);
}

/* The document comes first, then the file, then the document says that the file was seen. */
Test(blob, a_first_start_that_was_cut_off_is_finished)
{
    struct store *store = store_at("store");
    struct {
        struct doc doc;
        const char *marker;
        bool confirmed;
    } half = { .doc.id = "blobs", .marker = "0123456789abcdef01234567" };
    cr_assert(store_insert(&ctx, store, &marker_collection, &half, NO_EVENTS));
    cr_assert(blobs_marked(&ctx, blobs, store), "%s", ctx.error ? ctx.error->message : "");
    cr_expect_eq(access(in_dir("blobs/marker"), F_OK), 0);
    cr_assert(unlink(in_dir("blobs/marker")) == 0);
    cr_expect(refused(blobs, store), "confirmed once, the file must be there");
    store_close(store);
}
