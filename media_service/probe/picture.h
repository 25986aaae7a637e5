#pragma once
/* A cover, decoded and made to fit, inside the helper. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct AVPacket;

struct picture {
    const char *type; /* "image/jpeg", "image/png" */
    int width, height;
    struct AVPacket *packet; /* the bytes: data, size */
};

/*
 * JPEG, PNG, WebP, GIF, BMP by their first bytes. What is JPEG or PNG already,
 * small, and fits `edge` is kept as it is; all else becomes a JPEG.
 * false: it is no picture, or one too large. picture_finish() in any case.
 */
bool picture_make(struct AVPacket *packet, int edge, struct picture *out);
void picture_finish(struct picture *picture);
