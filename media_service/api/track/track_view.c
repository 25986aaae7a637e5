#include "track/track_view.h"

#define PUBLIC_FIELDS                                                                                                  \
    FIELD("id", ID, struct track_view, id, .always = true),                                                            \
        FIELD("slug", TEXT, struct track_view, slug, .always = true),                                                  \
        FIELD("title", TEXT, struct track_view, title, .always = true),                                                \
        FIELD("description", TEXT, struct track_view, description, .always = true),                                    \
        FIELD("tags", LIST, struct track_view, tags, .item = TEXT, .always = true),                                    \
        FIELD("artists", LIST, struct track_view, artists, .item = RECORD, .item_size = sizeof(struct artist_ref),     \
              .record = artist_ref_fields, .always = true),                                                            \
        FIELD("album", RECORD, struct track_view, album, .record = album_ref_fields,                                   \
              .item_size = sizeof(struct album_ref), .always = true),                                                  \
        FIELD("genres", LIST, struct track_view, genres, .item = TEXT, .always = true),                                \
        FIELD("year", INTEGER, struct track_view, year, .always = true, .doc = "0: unknown"),                          \
        FIELD("trackNumber", INTEGER, struct track_view, track_number, .always = true, .doc = "0: unknown"),           \
        FIELD("discNumber", INTEGER, struct track_view, disc_number, .always = true, .doc = "0: unknown"),             \
        FIELD("duration", NUMBER, struct track_view, duration, .always = true, .doc = "seconds"),                      \
        FIELD("codec", TEXT, struct track_view, codec, .always = true),                                                \
        FIELD("bitRate", INTEGER, struct track_view, bit_rate, .always = true, .doc = "bit/s"),                        \
        FIELD("bitDepth", INTEGER, struct track_view, bit_depth, .always = true, .doc = "0 where the codec has none"), \
        FIELD("sampleRate", INTEGER, struct track_view, sample_rate, .always = true),                                  \
        FIELD("channels", INTEGER, struct track_view, channels, .always = true),                                       \
        FIELD("size", INTEGER, struct track_view, size, .always = true, .doc = "bytes"),                               \
        FIELD("coverId", ID, struct track_view, cover_id, .always = true),                                             \
        FIELD("status", ENUM, struct track_view, status, .values = track_statuses),                                    \
        FIELD("publishedAt", TIME, struct track_view, published_at, .always = true),                                   \
        FIELD("plays", INTEGER, struct track_view, plays, .always = true)

const struct field track_view_fields[] = { PUBLIC_FIELDS, { 0 } };

const struct field studio_view_fields[] = {
    PUBLIC_FIELDS,
    FIELD("language", TEXT, struct track_view, language, .always = true),
    FIELD("reason", TEXT, struct track_view, reason, .always = true,
          .doc = "an editor's, of the last return or unpublish"),
    FIELD("ownerId", ID, struct track_view, owner_id, .always = true),
    FIELD("published", FLAG, struct track_view, published, .doc = "the public sees a version of it"),
    FIELD("createdAt", TIME, struct track_view, created_at, .always = true),
    FIELD("updatedAt", TIME, struct track_view, updated_at, .always = true),
    { 0 },
};

const struct field highlight_fields[] = {
    FIELD("title", TEXT, struct highlight, title),
    FIELD("artist", TEXT, struct highlight, artist),
    FIELD("album", TEXT, struct highlight, album),
    FIELD("tags", TEXT, struct highlight, tags),
    { 0 },
};

const struct field track_hit_fields[] = {
    PUBLIC_FIELDS,
    FIELD("highlight", RECORD, struct track_hit, highlight, .record = highlight_fields,
          .item_size = sizeof(struct highlight), .always = true,
          .doc = "where it was found, as HTML: what matched stands between <em> and </em>"),
    { 0 },
};

static void take_audio(const struct audio *audio, struct track_view *out)
{
    out->artists = audio->artists;
    out->album = audio->album;
    out->genres = audio->genres;
    out->year = audio->year;
    out->track_number = audio->track_number;
    out->disc_number = audio->disc_number;
    out->duration = audio->duration;
    out->codec = audio->codec;
    out->bit_rate = audio->bit_rate;
    out->bit_depth = audio->bit_depth;
    out->sample_rate = audio->sample_rate;
    out->channels = audio->channels;
    out->size = audio->size;
    out->cover_id = audio->cover_id;
}

static void take_version(const struct track *track, const struct version *version, int status, struct track_view *out)
{
    *out = (struct track_view){ .id = track->doc.id,
                                .slug = track->slug,
                                .status = status,
                                .plays = track->plays,
                                .title = version->title,
                                .description = version->description,
                                .tags = version->tags,
                                .language = version->language,
                                .published_at = track->published_at,
                                .reason = track->reason,
                                .owner_id = track->owner_id,
                                .published = track->live != NULL,
                                .created_at = track->created_at,
                                .updated_at = track->updated_at };
    if (version->audio)
        take_audio(version->audio, out);
}

void track_view_live(const struct track *track, struct track_view *out)
{
    take_version(track, track->live, TRACK_PUBLISHED, out);
}

void track_view_working(const struct track *track, struct track_view *out)
{
    take_version(track, track_working(track), track->status, out);
}
