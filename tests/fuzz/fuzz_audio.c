/*
 * A file as the helper reads it, in this process: libav and TagLib, which are
 * not ours, and what we make of them, which is. Facts that come out keep the
 * rules that the service reads them by.
 */
#include "fuzz.h"
#include "probe/describe.h"
#include "probe/picture.h"

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzzed", MFD_CLOEXEC);
    must_hold(fd >= 0 && write(fd, data, size) == (ssize_t)size, "there is a file");
    return fd;
}

static void check_picture(AVPacket *packet)
{
    struct picture picture = { 0 };
    if (picture_make(packet, COVER_EDGE, &picture)) {
        must_hold(!strcmp(picture.type, "image/jpeg") || !strcmp(picture.type, "image/png"), "a picture has a type");
        must_hold(picture.width > 0 && picture.width <= COVER_EDGE && picture.height > 0 &&
                      picture.height <= COVER_EDGE,
                  "and fits");
        must_hold(picture.packet && picture.packet->size > 0, "and is there");
    }
    picture_finish(&picture);
}

static void read_picture(const uint8_t *data, size_t size)
{
    AVPacket *packet = av_packet_alloc();
    if (av_new_packet(packet, (int)size) == 0) {
        memcpy(packet->data, data, size);
        check_picture(packet);
    }
    av_packet_free(&packet);
}

static void check_facts(struct ctx *ctx, const struct audio_facts *facts)
{
    struct buf json = BUF(&ctx->arena);
    struct audio_facts back = { 0 };
    record_json(&json, audio_facts_fields, facts);
    must_hold(json.size <= FACTS_JSON_MAX, "facts are bounded");
    /* The rule that is broken says more than that one is. */
    bool good = record_parse(ctx, json.data, json.size, audio_facts_fields, &back);
    must_hold(good, good ? "" : ctx->error->violations->message);
}

static void read_audio(const uint8_t *data, size_t size)
{
    struct ctx ctx = { .request_id = "" };
    struct decoded decoded = { .arena = &ctx.arena };
    int fd = file_of(data, size);
    if (audio_describe(fd, &decoded)) {
        check_facts(&ctx, &decoded.facts);
        if (decoded.cover)
            check_picture(decoded.cover);
    }
    decoded_finish(&decoded);
    close(fd);
    ctx_finish(&ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    av_log_set_level(AV_LOG_QUIET);
    struct input input = INPUT(data, size);
    if (input_byte(&input) & 1)
        read_picture(input.at, input_left(&input));
    else
        read_audio(input.at, input_left(&input));
    return 0;
}
