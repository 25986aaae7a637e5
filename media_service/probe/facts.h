#pragma once
/* What the helper process finds in a file; it writes this table as JSON, the service reads it with the same table's
 * rules. */
#include "record/record.h"

enum {
    FACTS_NAME_MAX = 300,       /* characters of a name; longer ones are cut */
    FACTS_LIST_MAX = 32,        /* values of one tag */
    FACTS_JSON_MAX = 256 << 10, /* bytes of the whole */
    COVER_BYTES_MAX = 2 << 20,
    COVER_EDGE = 1000, /* pixels */
};

struct audio_facts {
    const char *title;
    struct list artists, artist_ids; /* of const char *; ids are MusicBrainz's, as many as artists or none */
    const char *album, *album_id;
    struct list album_artists, album_artist_ids;
    struct list genres;
    const char *recording_id;
    int64_t year, track_number, disc_number; /* 0 = unknown */
    double duration;                         /* seconds */
    const char *codec;                       /* libavcodec's name: "mp3", "flac", "pcm_s16le" */
    const char *media_type;                  /* of the file: "audio/mpeg" */
    int64_t bit_rate;                        /* bit/s */
    int64_t bit_depth;                       /* 0 where the codec has none (lossy ones) */
    int64_t sample_rate, channels;
    const char *cover_type; /* NULL = no cover */
    int64_t cover_width, cover_height;
};
extern const struct field audio_facts_fields[];
