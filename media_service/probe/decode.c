#include "probe/decode.h"

#include "base/cleanup.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

enum {
    IO_BUFFER = 64 << 10,
    DECODE_PACKETS = 48, /* as many must decode, or all there are */
    STREAMS_MAX = 32,
    COVER_PACKET_MAX = 16 << 20,
};

/* The containers that are opened; everything else, playlists above all, is not audio here. */
static const struct demuxer {
    const char *name; /* libavformat's */
    const char *kind;
    const char *media_type;
} demuxers[] = {
    { "mp3", "mp3", "audio/mpeg" },     { "flac", "flac", "audio/flac" },
    { "ogg", "ogg", "audio/ogg" },      { "mov,mp4,m4a,3gp,3g2,mj2", "mov", "audio/mp4" },
    { "wav", "wav", "audio/wav" },      { "aiff", "aiff", "audio/aiff" },
    { "aac", "aac", "audio/aac" },      { "matroska,webm", "matroska", "audio/x-matroska" },
    { "asf", "asf", "audio/x-ms-wma" }, { "ape", "ape", "audio/x-ape" },
    { "wv", "wv", "audio/x-wavpack" },  { "tta", "tta", "audio/x-tta" },
};
static const char demuxer_list[] = "mp3,flac,ogg,mov,wav,aiff,aac,matroska,asf,ape,wv,tta";

static const char decoder_list[] =
    "mp3,mp3float,mp2,mp2float,flac,vorbis,opus,aac,aac_latm,alac,ape,wavpack,tta,speex,libspeex,ac3,eac3,"
    "wmav1,wmav2,wmapro,wmalossless,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt";

struct input {
    int fd;
    int64_t at, size;
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVStream *stream;
    const struct demuxer *demuxer;
};

static int input_read(void *self, uint8_t *into, int size)
{
    struct input *input = self;
    ssize_t got = pread(input->fd, into, (size_t)size, input->at);
    if (got <= 0)
        return got == 0 ? AVERROR_EOF : AVERROR(EIO);
    input->at += got;
    return (int)got;
}

static int64_t input_seek(void *self, int64_t offset, int whence)
{
    struct input *input = self;
    int64_t from = whence == SEEK_CUR ? input->at : whence == SEEK_END ? input->size : 0;
    if (whence & AVSEEK_SIZE)
        return input->size;
    if (offset > INT64_MAX - from || from + offset < 0)
        return AVERROR(EINVAL);
    return input->at = from + offset;
}

/* A file that names another one gets nothing. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static void input_finish(struct input *input)
{
    avcodec_free_context(&input->decoder);
    avformat_close_input(&input->format);
    if (input->io)
        av_freep(&input->io->buffer);
    avio_context_free(&input->io);
}

static const struct demuxer *demuxer_of(const AVInputFormat *format)
{
    for (size_t i = 0; i < sizeof demuxers / sizeof *demuxers; i++)
        if (!strcmp(demuxers[i].name, format->name))
            return &demuxers[i];
    return NULL;
}

static bool input_open(struct input *input)
{
    input->io = avio_alloc_context(av_malloc(IO_BUFFER), IO_BUFFER, 0, input, input_read, NULL, input_seek);
    AVFormatContext *format = input->format = avformat_alloc_context();
    format->pb = input->io;
    format->flags |= AVFMT_FLAG_CUSTOM_IO;
    format->io_open = refuse_open;
    format->format_whitelist = av_strdup(demuxer_list);
    format->codec_whitelist = av_strdup(decoder_list);
    format->protocol_whitelist = av_strdup("none");
    format->max_streams = STREAMS_MAX;
    /* On failure avformat_open_input() frees the context. */
    if (avformat_open_input(&input->format, "", NULL, NULL) < 0)
        return false;
    input->demuxer = demuxer_of(format->iformat);
    return input->demuxer != NULL;
}

static bool is_cover(const AVStream *stream)
{
    return stream->disposition & AV_DISPOSITION_ATTACHED_PIC && stream->attached_pic.size > 0 &&
           stream->attached_pic.size <= COVER_PACKET_MAX;
}

static bool is_front(const AVStream *stream)
{
    const AVDictionaryEntry *what = av_dict_get(stream->metadata, "comment", NULL, 0);
    return what && !strcmp(what->value, "Cover (front)");
}

static void take_cover(const struct input *input, struct decoded *out)
{
    const AVStream *best = NULL;
    for (unsigned i = 0; i < input->format->nb_streams; i++) {
        const AVStream *stream = input->format->streams[i];
        if (is_cover(stream) && (!best || (is_front(stream) && !is_front(best))))
            best = stream;
    }
    if (best)
        out->cover = av_packet_clone(&best->attached_pic);
}

/* Pictures, video and subtitles are neither read nor decoded. */
static void skip_others(struct input *input)
{
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if (input->format->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_AUDIO)
            input->format->streams[i]->discard = AVDISCARD_ALL;
}

static bool decoder_open(struct input *input)
{
    int best = av_find_best_stream(input->format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (best < 0)
        return false;
    input->stream = input->format->streams[best];
    for (unsigned i = 0; i < input->format->nb_streams; i++)
        if ((int)i != best)
            input->format->streams[i]->discard = AVDISCARD_ALL;
    const AVCodec *codec = avcodec_find_decoder(input->stream->codecpar->codec_id);
    if (!codec)
        return false;
    AVCodecContext *decoder = input->decoder = avcodec_alloc_context3(codec);
    decoder->thread_count = 1;
    decoder->max_samples = 1 << 20;
    decoder->pkt_timebase = input->stream->time_base;
    decoder->codec_whitelist = av_strdup(decoder_list);
    return avcodec_parameters_to_context(decoder, input->stream->codecpar) >= 0 &&
           avcodec_open2(decoder, codec, NULL) >= 0;
}

struct tally {
    size_t packets, undated, good, bad;
    int64_t ticks;   /* of the stream's time base */
    int64_t lead;    /* ticks before time zero */
    int64_t delay;   /* samples of encoder delay ... */
    int64_t padding; /* ... and of padding at the end */
};

/* NULL flushes. */
static void decode_packet(struct input *input, const AVPacket *packet, AVFrame *frame, struct tally *tally)
{
    if (avcodec_send_packet(input->decoder, packet) < 0)
        tally->bad += packet != NULL;
    for (;;) {
        int got = avcodec_receive_frame(input->decoder, frame);
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF)
            return;
        if (got < 0) {
            tally->bad++;
            return;
        }
        tally->good += frame->nb_samples > 0;
        av_frame_unref(frame);
    }
}

static uint32_t little_endian(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void count_packet(const AVPacket *packet, struct tally *tally)
{
    size_t size;
    const uint8_t *skip = av_packet_get_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, &size);
    if (skip && size >= 8) {
        tally->delay += tally->packets == 0 ? (int64_t)little_endian(skip) : 0;
        tally->padding += little_endian(skip + 4);
    }
    if (tally->packets++ == 0 && packet->pts != AV_NOPTS_VALUE && packet->pts < 0 && packet->pts > -INT32_MAX)
        tally->lead = -packet->pts;
    tally->undated += packet->duration <= 0;
    if (packet->duration > 0 && tally->ticks < INT64_MAX / 2 - packet->duration)
        tally->ticks += packet->duration;
}

/* The first packets are decoded, all are counted: a header may say anything about the length of a file that was cut. */
static bool read_through(struct input *input, struct tally *tally)
{
    AVPacket *packet = av_packet_alloc();
    AVFrame *frame = av_frame_alloc();
    while (av_read_frame(input->format, packet) >= 0) {
        if (packet->stream_index == input->stream->index) {
            if (tally->packets < DECODE_PACKETS)
                decode_packet(input, packet, frame, tally);
            count_packet(packet, tally);
        }
        av_packet_unref(packet);
    }
    if (tally->packets < DECODE_PACKETS)
        decode_packet(input, NULL, frame, tally);
    av_packet_free(&packet);
    av_frame_free(&frame);
    return tally->good > 0 && tally->bad <= tally->good;
}

/* To the sample where the file tells: what the encoder put before and behind is no music. */
static double duration_of(const struct input *input, const struct tally *tally)
{
    double tick = av_q2d(input->stream->time_base), sample = 1.0 / input->decoder->sample_rate;
    double counted = (double)tally->ticks * tick;
    counted -= tally->delay > 0 ? (double)tally->delay * sample : (double)tally->lead * tick;
    /* The Ogg demuxer has shortened the last packet already. */
    if (strcmp(input->demuxer->kind, "ogg") != 0)
        counted -= (double)tally->padding * sample;
    if (tally->undated <= 1 && counted > 0)
        return counted;
    double told = input->format->duration > 0 ? (double)input->format->duration / AV_TIME_BASE : 0;
    return told > 0 ? told : fmax(counted, 0);
}

static int64_t bit_depth_of(const AVCodecContext *decoder)
{
    const AVCodecDescriptor *codec = avcodec_descriptor_get(decoder->codec_id);
    if (!codec || !(codec->props & AV_CODEC_PROP_LOSSLESS))
        return 0;
    if (decoder->bits_per_raw_sample > 0)
        return decoder->bits_per_raw_sample;
    int exact = av_get_exact_bits_per_sample(decoder->codec_id);
    return exact > 0 ? exact : decoder->bits_per_coded_sample;
}

static bool take_facts(const struct input *input, const struct tally *tally, struct decoded *out)
{
    const AVCodecContext *decoder = input->decoder;
    double duration = decoder->sample_rate > 0 ? duration_of(input, tally) : 0;
    int64_t rate = input->format->bit_rate > 0 ? input->format->bit_rate : decoder->bit_rate;
    if (duration > 0)
        rate = (int64_t)((double)input->size * 8 / duration);
    out->facts.duration = round(duration * 1e6) / 1e6;
    out->facts.codec = avcodec_get_name(decoder->codec_id);
    out->facts.media_type = input->demuxer->media_type;
    out->facts.bit_rate = rate;
    out->facts.bit_depth = bit_depth_of(decoder);
    out->facts.sample_rate = decoder->sample_rate;
    out->facts.channels = decoder->ch_layout.nb_channels;
    out->demuxer = input->demuxer->kind;
    return duration > 0 && decoder->ch_layout.nb_channels > 0;
}

static void take_tags(const struct input *input, struct decoded *out)
{
    const AVDictionary *sets[] = { input->format->metadata, input->stream->metadata };
    size_t room = (size_t)(av_dict_count(sets[0]) + av_dict_count(sets[1]));
    out->keys = arena_array(out->arena, const char *, room + 1);
    out->values = arena_array(out->arena, const char *, room + 1);
    for (size_t i = 0; i < 2; i++) {
        const AVDictionaryEntry *entry = NULL;
        while ((entry = av_dict_get(sets[i], "", entry, AV_DICT_IGNORE_SUFFIX))) {
            out->keys[out->tags] = arena_strdup(out->arena, entry->key);
            out->values[out->tags++] = arena_strdup(out->arena, entry->value);
        }
    }
}

bool decode_audio(int fd, struct decoded *out)
{
    struct stat file;
    if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode) || file.st_size == 0)
        return false;
    _cleanup_(input_finish) struct input input = { .fd = fd, .size = file.st_size };
    if (!input_open(&input))
        return false;
    take_cover(&input, out);
    skip_others(&input);
    struct tally tally = { 0 };
    if (avformat_find_stream_info(input.format, NULL) < 0 || !decoder_open(&input) || !read_through(&input, &tally))
        return false;
    take_tags(&input, out);
    return take_facts(&input, &tally, out);
}

void decoded_finish(struct decoded *decoded)
{
    av_packet_free(&decoded->cover);
}
