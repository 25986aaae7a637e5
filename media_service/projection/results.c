#include "projection/results.h"

#define ARTIST_FIELDS                                                                                                  \
    FIELD("id", ID, struct artist_view, id, .always = true),                                                           \
        FIELD("name", TEXT, struct artist_view, name, .always = true),                                                 \
        FIELD("trackCount", INTEGER, struct artist_view, tracks, .always = true),                                      \
        FIELD("albumCount", INTEGER, struct artist_view, albums, .always = true)

#define ALBUM_FIELDS                                                                                                   \
    FIELD("id", ID, struct album_view, id, .always = true),                                                            \
        FIELD("name", TEXT, struct album_view, name, .always = true),                                                  \
        FIELD("artists", LIST, struct album_view, artists, .item = RECORD, .item_size = sizeof(struct artist_ref),     \
              .record = artist_ref_fields, .always = true),                                                            \
        FIELD("year", INTEGER, struct album_view, year, .always = true, .doc = "0: unknown"),                          \
        FIELD("trackCount", INTEGER, struct album_view, tracks, .always = true),                                       \
        FIELD("duration", NUMBER, struct album_view, duration, .always = true, .doc = "seconds"),                      \
        FIELD("coverId", ID, struct album_view, cover_id, .always = true)

#define HIGHLIGHT(type)                                                                                                \
    FIELD("highlight", RECORD, type, highlight, .record = highlight_fields, .item_size = sizeof(struct highlight),     \
          .always = true)

const struct field artist_view_fields[] = { ARTIST_FIELDS, { 0 } };
const struct field artist_hit_fields[] = { ARTIST_FIELDS, HIGHLIGHT(struct artist_view), { 0 } };
const struct field album_view_fields[] = { ALBUM_FIELDS, { 0 } };
const struct field album_hit_fields[] = { ALBUM_FIELDS, HIGHLIGHT(struct album_view), { 0 } };

const struct field genre_view_fields[] = {
    FIELD("name", TEXT, struct genre_view, name, .always = true),
    FIELD("trackCount", INTEGER, struct genre_view, tracks, .always = true),
    FIELD("albumCount", INTEGER, struct genre_view, albums, .always = true),
    { 0 },
};

#define ITEMS(wire, type, member, of, fields)                                                                          \
    FIELD(wire, LIST, type, member, .item = RECORD, .item_size = sizeof(of), .record = fields, .always = true)

const struct field artist_page_fields[] = {
    ARTIST_FIELDS,
    ITEMS("albums", struct artist_page, album_list, struct album_view, album_view_fields),
    { 0 },
};

const struct field album_page_fields[] = {
    ALBUM_FIELDS,
    ITEMS("tracks", struct album_page, track_list, struct track_view, track_view_fields),
    { 0 },
};

#define SECTION(name, of, fields)                                                                                      \
    static const struct field name[] = {                                                                               \
        ITEMS("items", struct section, items, of, fields),                                                             \
        FIELD("next", TEXT, struct section, next, .always = true),                                                     \
        { 0 },                                                                                                         \
    }

SECTION(track_section, struct track_hit, track_hit_fields);
SECTION(album_section, struct album_view, album_hit_fields);
SECTION(artist_section, struct artist_view, artist_hit_fields);

#define PART(wire, member, fields)                                                                                     \
    FIELD(wire, RECORD, struct search_result, member, .record = fields, .item_size = sizeof(struct section),           \
          .always = true)

const struct field search_result_fields[] = {
    PART("tracks", tracks, track_section),
    PART("albums", albums, album_section),
    PART("artists", artists, artist_section),
    /* Neither has anything to be found yet; their items will say what they are. */
    PART("playlists", playlists, artist_section),
    PART("people", people, artist_section),
    { 0 },
};
