/* kill -9 loses no page cache, so what a loss of power would take is seen by the system calls: a blob that is kept is
 * synced, and each folder above it after that. */
#include "blob/blob.h"
#include "test/folder.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct ctx ctx;
static struct blobs *blobs;
static char dir[64], hash[SHA256_HEX + 1];

/* What was synced, in its order: "FILE", or a folder below the blobs'. */
static char synced[16][64];
static size_t synced_count;

int fsync(int fd);
int fsync(int fd)
{
    char link[64], path[256] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    cr_assert(readlink(link, path, sizeof path - 1) > 0);
    size_t root = strlen(dir) + strlen("/blobs");
    if (synced_count < 16 && strncmp(path, dir, strlen(dir)) == 0)
        snprintf(synced[synced_count++], sizeof synced[0], "%s", strstr(path, "/tmp/#") ? "FILE" : path + root);
    return (int)syscall(SYS_fsync, fd);
}

static void setup(void)
{
    folder_make(dir);
    blobs = blobs_open(&ctx, arena_printf(&ctx.arena, "file:%s/blobs", dir));
    cr_assert(blobs);
    synced_count = 0;
}

static void teardown(void)
{
    blobs_close(blobs);
    ctx_finish(&ctx);
    folder_remove(dir);
}

TestSuite(blob_durable, .init = setup, .fini = teardown, .timeout = 60);

/* Where it stands after the file, or -1. */
static int place_of(const char *what)
{
    for (size_t i = 0; i < synced_count; i++)
        if (strcmp(synced[i], what) == 0)
            return (int)i;
    return -1;
}

static void expect_folders(int after)
{
    cr_expect_gt(place_of(arena_printf(&ctx.arena, "/%.2s/%.2s", hash, hash + 2)), after);
    cr_expect_gt(place_of(arena_printf(&ctx.arena, "/%.2s", hash)), after);
    cr_expect_gt(place_of(""), after);
}

Test(blob_durable, a_new_one_is_synced_and_then_its_folders)
{
    cr_assert(blob_keep_bytes(&ctx, blobs, "bytes", 5, hash));
    cr_expect_eq(place_of("FILE"), 0, "the file is not synced first");
    expect_folders(0);
}

Test(blob_durable, a_file_from_elsewhere_is_synced_as_the_copy_it_becomes)
{
    char *path = arena_printf(&ctx.arena, "%s/elsewhere", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(write(fd, "elsewhere", 9) == 9);
    unlink(path); /* it cannot be linked again: a copy takes its place */
    cr_assert(blob_keep(&ctx, blobs, fd, hash));
    close(fd);
    cr_expect_geq(place_of("FILE"), 0, "the copy is not synced");
    expect_folders(place_of("FILE"));
}

/* It may be of one who was killed between its rename and its sync. */
Test(blob_durable, one_that_is_there_already_is_synced_before_it_is_used_again)
{
    cr_assert(blob_keep_bytes(&ctx, blobs, "bytes", 5, hash));
    synced_count = 0;
    cr_assert(blob_keep_bytes(&ctx, blobs, "bytes", 5, hash));
    expect_folders(-1);
}
