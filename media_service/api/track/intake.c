#include "track/intake.h"

#include "blob/blob.h"
#include "probe/probe.h"
#include "track/cover_store.h"
#include "track/identity.h"

#include <sys/stat.h>

static bool keep_cover(struct ctx *ctx, const struct tracks *tracks, const struct cover *cover, struct audio *audio)
{
    char *hash = arena_alloc(&ctx->arena, SHA256_HEX + 1);
    if (!blob_keep_bytes(ctx, tracks->blobs, cover->data, cover->size, hash))
        return false;
    audio->cover_id = cover_id(&ctx->arena, hash);
    return cover_store_put(ctx, tracks->store, audio->cover_id, hash, cover);
}

static void take_facts(struct arena *arena, const struct audio_facts *facts, const char *uploader, struct audio *audio)
{
    audio->media_type = facts->media_type;
    audio->codec = facts->codec;
    audio->duration = facts->duration;
    audio->bit_rate = facts->bit_rate;
    audio->bit_depth = facts->bit_depth;
    audio->sample_rate = facts->sample_rate;
    audio->channels = facts->channels;
    audio->genres = facts->genres;
    audio->year = facts->year;
    audio->track_number = facts->track_number;
    audio->disc_number = facts->disc_number;
    identify(arena, facts, uploader, audio);
}

struct audio *audio_take(struct ctx *ctx, const struct tracks *tracks, int fd, const char *uploader)
{
    struct cover cover;
    struct stat file;
    struct audio_facts *facts = probe_audio(ctx, tracks->probe, fd, &cover);
    if (!facts)
        return NULL;
    struct audio *audio = arena_new(&ctx->arena, struct audio);
    char *hash = arena_alloc(&ctx->arena, SHA256_HEX + 1);
    take_facts(&ctx->arena, facts, uploader, audio);
    if (fstat(fd, &file) < 0 || !blob_keep(ctx, tracks->blobs, fd, hash))
        return ctx->error ? NULL : ctx_fail(ctx, ERROR_INTERNAL, "the uploaded file is gone");
    audio->hash = hash;
    audio->size = file.st_size;
    return cover.size == 0 || keep_cover(ctx, tracks, &cover, audio) ? audio : NULL;
}
