#include "probe/picture.h"

#include "base/cleanup.h"
#include "probe/facts.h"

#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>
#include <string.h>

enum {
    PIXELS_MAX = 40 << 20, /* of what is decoded: a few kilobytes can say 30,000 by 30,000 */
    KEEP_BYTES = 512 << 10,
    JPEG_QUALITY = 3, /* libavcodec's scale: 2 is the best, 31 the worst */
};

static void frame_free(AVFrame **frame)
{
    av_frame_free(frame);
}

static void codec_free(AVCodecContext **codec)
{
    avcodec_free_context(codec);
}

static const struct {
    const char *head;
    size_t skip, size;
    enum AVCodecID codec;
} heads[] = {
    { "\xff\xd8\xff", 0, 3, AV_CODEC_ID_MJPEG },
    { "\x89PNG\r\n\x1a\n", 0, 8, AV_CODEC_ID_PNG },
    { "WEBP", 8, 4, AV_CODEC_ID_WEBP },
    { "GIF8", 0, 4, AV_CODEC_ID_GIF },
    { "BM", 0, 2, AV_CODEC_ID_BMP },
};

/* Files lie about the kind of their covers; the first bytes do not. NONE: not a kind that is decoded here. */
static enum AVCodecID kind_of(const AVPacket *packet)
{
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if ((size_t)packet->size >= heads[i].skip + heads[i].size &&
            !memcmp(packet->data + heads[i].skip, heads[i].head, heads[i].size))
            return heads[i].codec;
    return AV_CODEC_ID_NONE;
}

static AVFrame *picture_decode(const AVPacket *packet, enum AVCodecID kind)
{
    const AVCodec *codec = avcodec_find_decoder(kind);
    _cleanup_(codec_free) AVCodecContext *decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!decoder)
        return NULL;
    decoder->thread_count = 1;
    decoder->max_pixels = PIXELS_MAX;
    _cleanup_(frame_free) AVFrame *frame = av_frame_alloc();
    if (avcodec_open2(decoder, codec, NULL) < 0 || avcodec_send_packet(decoder, packet) < 0)
        return NULL;
    avcodec_send_packet(decoder, NULL);
    if (avcodec_receive_frame(decoder, frame) < 0 || frame->width <= 0 || frame->height <= 0)
        return NULL;
    AVFrame *got = frame;
    frame = NULL;
    return got;
}

/* The size that keeps the shape and fits; never larger than it was. */
static void fit(const AVFrame *frame, int edge, int *width, int *height)
{
    int longer = frame->width > frame->height ? frame->width : frame->height;
    double by = longer > edge ? (double)edge / longer : 1;
    *width = (int)(frame->width * by);
    *height = (int)(frame->height * by);
    *width += *width == 0;
    *height += *height == 0;
}

static AVFrame *picture_scale(const AVFrame *frame, int edge)
{
    _cleanup_(frame_free) AVFrame *out = av_frame_alloc();
    fit(frame, edge, &out->width, &out->height);
    out->format = AV_PIX_FMT_YUVJ420P;
    out->color_range = AVCOL_RANGE_JPEG;
    if (av_frame_get_buffer(out, 0) < 0)
        return NULL;
    struct SwsContext *scaler = sws_getContext(frame->width, frame->height, frame->format, out->width, out->height,
                                               out->format, SWS_BICUBIC, NULL, NULL, NULL);
    if (!scaler)
        return NULL;
    int lines = sws_scale(scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height, out->data,
                          out->linesize);
    sws_freeContext(scaler);
    if (lines != out->height)
        return NULL;
    AVFrame *got = out;
    out = NULL;
    return got;
}

static AVPacket *picture_encode(AVFrame *frame)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    _cleanup_(codec_free) AVCodecContext *encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!encoder)
        return NULL;
    encoder->width = frame->width;
    encoder->height = frame->height;
    encoder->pix_fmt = frame->format;
    encoder->color_range = AVCOL_RANGE_JPEG;
    encoder->time_base = (AVRational){ 1, 1 };
    encoder->thread_count = 1;
    encoder->flags |= AV_CODEC_FLAG_QSCALE;
    encoder->global_quality = JPEG_QUALITY * FF_QP2LAMBDA;
    frame->quality = encoder->global_quality;
    frame->pts = 0;
    AVPacket *packet = av_packet_alloc();
    if (avcodec_open2(encoder, codec, NULL) < 0 || avcodec_send_frame(encoder, frame) < 0 ||
        avcodec_send_frame(encoder, NULL) < 0 || avcodec_receive_packet(encoder, packet) < 0)
        av_packet_free(&packet);
    return packet;
}

static bool may_stay(const AVPacket *packet, const AVFrame *frame, enum AVCodecID kind, int edge)
{
    return (kind == AV_CODEC_ID_MJPEG || kind == AV_CODEC_ID_PNG) && packet->size <= KEEP_BYTES &&
           frame->width <= edge && frame->height <= edge;
}

bool picture_make(AVPacket *packet, int edge, struct picture *out)
{
    enum AVCodecID kind = kind_of(packet);
    if (kind == AV_CODEC_ID_NONE)
        return false;
    _cleanup_(frame_free) AVFrame *frame = picture_decode(packet, kind);
    if (!frame)
        return false;
    if (may_stay(packet, frame, kind, edge)) {
        *out = (struct picture){ .type = kind == AV_CODEC_ID_PNG ? "image/png" : "image/jpeg",
                                 .width = frame->width,
                                 .height = frame->height,
                                 .packet = av_packet_clone(packet) };
        return out->packet != NULL;
    }
    _cleanup_(frame_free) AVFrame *scaled = picture_scale(frame, edge);
    if (!scaled)
        return false;
    *out = (struct picture){ .type = "image/jpeg", .width = scaled->width, .height = scaled->height };
    out->packet = picture_encode(scaled);
    return out->packet && out->packet->size <= COVER_BYTES_MAX;
}

void picture_finish(struct picture *picture)
{
    av_packet_free(&picture->packet);
}
