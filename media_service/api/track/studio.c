#include "track/studio.h"

#include "departure/departure.h"
#include "track/intake.h"

#include <string.h>

const struct field draft_fields[] = {
    FIELD("title", TEXT, struct draft, title, .required = true, .min = 1, .max = 200),
    FIELD("description", TEXT, struct draft, description, .max = 5000),
    FIELD("tags", LIST, struct draft, tags, .item = TEXT, .max = 20,
          .pattern = "^[\\p{Ll}\\p{Lo}\\d][\\p{Ll}\\p{Lo}\\d-]{0,49}$",
          .doc = "lower case letters and digits, 50 characters; two of the same are one"),
    FIELD("language", TEXT, struct draft, language, .pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}$",
          .doc = "BCP 47: en, pt-BR"),
    { 0 },
};

static struct list without_doubles(struct arena *arena, const struct list *tags)
{
    const char **kept = arena_array(arena, const char *, tags->count + 1);
    size_t count = 0;
    for (size_t i = 0; i < tags->count; i++) {
        const char *tag = ((const char **)tags->items)[i];
        size_t same = 0;
        while (same < count && strcmp(kept[same], tag) != 0)
            same++;
        if (same == count)
            kept[count++] = tag;
    }
    return (struct list){ kept, count };
}

static bool take_draft(struct ctx *ctx, void *self, struct version *version)
{
    const struct draft *draft = self;
    version->title = draft->title;
    version->description = draft->description;
    version->tags = without_doubles(&ctx->arena, &draft->tags);
    version->language = draft->language;
    return true;
}

static bool take_audio(struct ctx *ctx, void *audio, struct version *version)
{
    (void)ctx;
    version->audio = audio;
    return true;
}

struct track *studio_create(struct ctx *ctx, const struct tracks *tracks, const char *owner, const struct draft *draft)
{
    struct track *track = arena_new(&ctx->arena, struct track);
    track->owner_id = owner;
    track->draft = arena_new(&ctx->arena, struct version);
    take_draft(ctx, (void *)draft, track->draft);
    return departure_check(ctx, tracks, track_store_insert(ctx, tracks->store, track) ? track : NULL);
}

struct track *studio_edit(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id,
                          const struct draft *draft)
{
    struct change change = { .action = TRACK_EDIT, .owner = owner, .edit = take_draft, .self = (void *)draft };
    return departure_check(ctx, tracks, track_change(ctx, tracks, id, &change));
}

struct track *studio_upload(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *name,
                            const char *id, int fd)
{
    /* Asked before the work, and again by the write. */
    const struct track *track = track_owned(ctx, tracks, owner, id);
    if (!track || !track_transition(ctx, track, TRACK_UPLOAD))
        return NULL;
    struct audio *audio = audio_take(ctx, tracks, fd, name);
    if (!audio)
        return NULL;
    struct change change = { .action = TRACK_UPLOAD, .owner = owner, .edit = take_audio, .self = audio };
    return departure_check(ctx, tracks, track_change(ctx, tracks, id, &change));
}

struct track *studio_step(struct ctx *ctx, const struct tracks *tracks, const char *owner, const char *id,
                          enum track_action action)
{
    return departure_check(ctx, tracks,
                           track_change(ctx, tracks, id, &(struct change){ .action = action, .owner = owner }));
}
