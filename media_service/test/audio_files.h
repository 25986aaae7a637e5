#pragma once
/* Real audio for tests, made by the ffmpeg command; files are unlinked, only the descriptor is left. */
#include <stddef.h>

/* Two seconds of a tone with `arguments` (ffmpeg's output options; "" = none). Ends the test on failure. */
int audio_file(const char *extension, const char *arguments);
/* As audio_file(), with the options of a first input more: "-i cover.png". */
int audio_file_with(const char *extension, const char *inputs, const char *arguments);
/* A picture made from ffmpeg's lavfi `source`; the path is the caller's to free and unlink. */
char *picture_file(const char *extension, const char *source);
/* A file with these bytes. */
int bytes_file(const void *data, size_t size);
/* All of a file; ends the test on failure. malloc()ed. */
char *file_bytes(int fd, size_t *size);
