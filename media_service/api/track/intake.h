#pragma once
/* From an uploaded file to what a track keeps of it. */
#include "track/tracks.h"

/*
 * Reads the file in the helper, keeps it and its cover as blobs. Nothing is
 * kept of what is refused. ERROR_UNPROCESSABLE: no audio; ERROR_DISK_FULL.
 */
struct audio *audio_take(struct ctx *ctx, const struct tracks *tracks, int fd, const char *uploader);
