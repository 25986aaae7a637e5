#include "track/track.h"

const char *const track_statuses[] = { "DRAFT", "SUBMITTED", "PUBLISHED", "UNPUBLISHED", NULL };

const struct field artist_ref_fields[] = {
    FIELD("id", ID, struct artist_ref, id, .always = true),
    FIELD("name", TEXT, struct artist_ref, name, .always = true),
    { 0 },
};

const struct field album_ref_fields[] = {
    FIELD("id", ID, struct album_ref, id, .always = true),
    FIELD("name", TEXT, struct album_ref, name, .always = true),
    { 0 },
};

#define ARTISTS(wire, member)                                                                                          \
    FIELD(wire, LIST, struct audio, member, .item = RECORD, .item_size = sizeof(struct artist_ref),                    \
          .record = artist_ref_fields)

const struct field audio_fields[] = {
    FIELD("hash", TEXT, struct audio, hash),
    FIELD("mediaType", TEXT, struct audio, media_type),
    FIELD("codec", TEXT, struct audio, codec),
    FIELD("size", INTEGER, struct audio, size),
    FIELD("duration", NUMBER, struct audio, duration),
    FIELD("bitRate", INTEGER, struct audio, bit_rate),
    FIELD("bitDepth", INTEGER, struct audio, bit_depth),
    FIELD("sampleRate", INTEGER, struct audio, sample_rate),
    FIELD("channels", INTEGER, struct audio, channels),
    ARTISTS("artists", artists),
    FIELD("byUploader", FLAG, struct audio, by_uploader),
    ARTISTS("albumArtists", album_artists),
    FIELD("album", RECORD, struct audio, album, .record = album_ref_fields, .item_size = sizeof(struct album_ref)),
    FIELD("genres", LIST, struct audio, genres, .item = TEXT),
    FIELD("year", INTEGER, struct audio, year),
    FIELD("trackNumber", INTEGER, struct audio, track_number),
    FIELD("discNumber", INTEGER, struct audio, disc_number),
    FIELD("coverId", ID, struct audio, cover_id),
    { 0 },
};

const struct field version_fields[] = {
    FIELD("title", TEXT, struct version, title),
    FIELD("description", TEXT, struct version, description),
    FIELD("tags", LIST, struct version, tags, .item = TEXT),
    FIELD("language", TEXT, struct version, language),
    FIELD("audio", RECORD, struct version, audio, .record = audio_fields, .item_size = sizeof(struct audio)),
    { 0 },
};

const struct field track_fields[] = {
    FIELD("ownerId", ID, struct track, owner_id),
    FIELD("slug", TEXT, struct track, slug),
    FIELD("status", ENUM, struct track, status, .values = track_statuses),
    FIELD("states", LIST, struct track, states, .item = TEXT),
    FIELD("draft", RECORD, struct track, draft, .record = version_fields, .item_size = sizeof(struct version)),
    FIELD("live", RECORD, struct track, live, .record = version_fields, .item_size = sizeof(struct version)),
    FIELD("liveTags", LIST, struct track, live_tags, .item = TEXT),
    FIELD("named", FLAG, struct track, named),
    FIELD("reason", TEXT, struct track, reason),
    FIELD("createdAt", TIME, struct track, created_at),
    FIELD("updatedAt", TIME, struct track, updated_at),
    FIELD("publishedAt", TIME, struct track, published_at),
    FIELD("plays", INTEGER, struct track, plays),
    { 0 },
};

const struct version *track_working(const struct track *track)
{
    return track->draft ? track->draft : track->live;
}
