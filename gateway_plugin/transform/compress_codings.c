/* The two encoders as filters. */
#include "transform/compress.h"

#include "must.h"

#include <brotli/encode.h>
#include <string.h>
#include <zlib.h>

enum {
    GZIP_LEVEL = 5,
    GZIP_WINDOW = 15 + 16, /* with gzip's head and end */
    BROTLI_LEVEL = 4,
    BROTLI_WINDOW = 16,
};

/* What comes out of one piece. */
struct room {
    char *data;
    size_t size, used;
};

static void make_room(struct room *room)
{
    if (room->size - room->used >= 1024)
        return;
    room->size = room->size ? room->size * 2 : FILTER_SLICE + 4096;
    room->data = must(realloc(room->data, room->size));
}

struct gzip {
    struct body_filter filter;
    z_stream stream;
    struct room room;
};

static bool gzip_take(struct body_filter *filter, const char *data, size_t size, bool last, const char **out,
                      size_t *out_size)
{
    struct gzip *self = (struct gzip *)filter;
    z_stream *stream = &self->stream;
    if (!size && !last)
        return true;
    stream->next_in = (Bytef *)data;
    stream->avail_in = (uInt)size;
    self->room.used = 0;
    do {
        make_room(&self->room);
        stream->next_out = (Bytef *)self->room.data + self->room.used;
        stream->avail_out = (uInt)(self->room.size - self->room.used);
        int state = deflate(stream, last ? Z_FINISH : Z_SYNC_FLUSH);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            return false;
        self->room.used = self->room.size - stream->avail_out;
    } while (!stream->avail_out);
    *out = self->room.data;
    *out_size = self->room.used;
    /* A slow reader of the last piece holds that, and no encoder. */
    if (last)
        deflateEnd(stream);
    return true;
}

static void gzip_free(struct body_filter *filter)
{
    struct gzip *self = (struct gzip *)filter;
    deflateEnd(&self->stream);
    free(self->room.data);
    free(self);
}

struct body_filter *compress_gzip(void)
{
    struct gzip *self = must(calloc(1, sizeof *self));
    self->filter = (struct body_filter){ gzip_take, gzip_free };
    if (deflateInit2(&self->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) == Z_OK)
        return &self->filter;
    free(self);
    return NULL;
}

struct brotli {
    struct body_filter filter;
    BrotliEncoderState *state;
    struct room room;
};

static bool brotli_take(struct body_filter *filter, const char *data, size_t size, bool last, const char **out,
                        size_t *out_size)
{
    struct brotli *self = (struct brotli *)filter;
    const uint8_t *in = (const uint8_t *)data;
    if (!size && !last)
        return true;
    self->room.used = 0;
    do {
        make_room(&self->room);
        uint8_t *at = (uint8_t *)self->room.data + self->room.used;
        size_t left = self->room.size - self->room.used;
        if (!BrotliEncoderCompressStream(self->state, last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH, &size,
                                         &in, &left, &at, NULL))
            return false;
        self->room.used = self->room.size - left;
    } while (size || BrotliEncoderHasMoreOutput(self->state));
    *out = self->room.data;
    *out_size = self->room.used;
    if (last)
        BrotliEncoderDestroyInstance(self->state);
    self->state = last ? NULL : self->state;
    return true;
}

static void brotli_free(struct body_filter *filter)
{
    struct brotli *self = (struct brotli *)filter;
    BrotliEncoderDestroyInstance(self->state);
    free(self->room.data);
    free(self);
}

struct body_filter *compress_brotli(void)
{
    BrotliEncoderState *state = BrotliEncoderCreateInstance(NULL, NULL, NULL);
    if (!state)
        return NULL;
    BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, BROTLI_LEVEL);
    BrotliEncoderSetParameter(state, BROTLI_PARAM_LGWIN, BROTLI_WINDOW);
    struct brotli *self = must(calloc(1, sizeof *self));
    self->filter = (struct body_filter){ brotli_take, brotli_free };
    self->state = state;
    return &self->filter;
}
