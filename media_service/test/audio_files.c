#include "test/audio_files.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *temporary(const char *extension)
{
    char *path = NULL;
    cr_assert(asprintf(&path, "%s/tonearm-test-XXXXXX.%s", P_tmpdir, extension) > 0);
    int fd = mkstemps(path, (int)strlen(extension) + 1);
    cr_assert(fd >= 0);
    close(fd);
    return path;
}

static void ffmpeg(const char *inputs, const char *arguments, const char *path)
{
    char *command = NULL;
    cr_assert(asprintf(&command, "ffmpeg -nostdin -v error -y %s %s %s", inputs, arguments, path) > 0);
    cr_assert_eq(system(command), 0, "%s", command);
    free(command);
}

int audio_file_with(const char *extension, const char *inputs, const char *arguments)
{
    char *path = temporary(extension), *all = NULL;
    cr_assert(asprintf(&all, "-f lavfi -i sine=frequency=440:duration=2 %s", inputs) > 0);
    ffmpeg(all, arguments, path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert(fd >= 0);
    unlink(path);
    free(path);
    free(all);
    return fd;
}

int audio_file(const char *extension, const char *arguments)
{
    return audio_file_with(extension, "", arguments);
}

char *picture_file(const char *extension, const char *source)
{
    char *path = temporary(extension), *input = NULL;
    cr_assert(asprintf(&input, "-f lavfi -i %s", source) > 0);
    ffmpeg(input, "-frames:v 1", path);
    free(input);
    return path;
}

int bytes_file(const void *data, size_t size)
{
    int fd = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    cr_assert(fd >= 0);
    for (const char *at = data; size > 0;) {
        ssize_t done = write(fd, at, size);
        cr_assert(done > 0);
        at += done;
        size -= (size_t)done;
    }
    return fd;
}

char *file_bytes(int fd, size_t *size)
{
    struct stat file;
    cr_assert(fstat(fd, &file) == 0);
    char *bytes = malloc((size_t)file.st_size + 1);
    cr_assert(pread(fd, bytes, (size_t)file.st_size, 0) == file.st_size);
    *size = (size_t)file.st_size;
    return bytes;
}
