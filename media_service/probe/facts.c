#include "probe/facts.h"

#define NAME(wire, member) FIELD(wire, TEXT, struct audio_facts, member, .max = FACTS_NAME_MAX)
#define NAMES(wire, member) FIELD(wire, LIST, struct audio_facts, member, .item = TEXT, .max = FACTS_LIST_MAX)

const struct field audio_facts_fields[] = {
    NAME("title", title),
    NAMES("artists", artists),
    NAMES("artistIds", artist_ids),
    NAME("album", album),
    NAME("albumId", album_id),
    NAMES("albumArtists", album_artists),
    NAMES("albumArtistIds", album_artist_ids),
    NAMES("genres", genres),
    NAME("recordingId", recording_id),
    FIELD("year", INTEGER, struct audio_facts, year, .least = 0, .most = 9999),
    FIELD("trackNumber", INTEGER, struct audio_facts, track_number, .least = 0, .most = 99999),
    FIELD("discNumber", INTEGER, struct audio_facts, disc_number, .least = 0, .most = 99999),
    FIELD("duration", NUMBER, struct audio_facts, duration, .least = 0, .most = 1e7),
    FIELD("codec", TEXT, struct audio_facts, codec, .pattern = "^[a-z0-9_]{1,32}$"),
    FIELD("mediaType", TEXT, struct audio_facts, media_type, .pattern = "^audio/[a-z0-9-]{1,32}$"),
    FIELD("bitRate", INTEGER, struct audio_facts, bit_rate, .least = 0, .most = 1e12),
    FIELD("bitDepth", INTEGER, struct audio_facts, bit_depth, .least = 0, .most = 64),
    FIELD("sampleRate", INTEGER, struct audio_facts, sample_rate, .least = 0, .most = 1e7),
    FIELD("channels", INTEGER, struct audio_facts, channels, .least = 0, .most = 64),
    FIELD("coverType", TEXT, struct audio_facts, cover_type, .pattern = "^image/(jpeg|png)$"),
    FIELD("coverWidth", INTEGER, struct audio_facts, cover_width, .least = 0, .most = 65535),
    FIELD("coverHeight", INTEGER, struct audio_facts, cover_height, .least = 0, .most = 65535),
    { 0 },
};
