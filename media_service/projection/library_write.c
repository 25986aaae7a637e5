#include "projection/library_parts.h"

#include "base/buf.h"
#include "text/fold.h"
#include "track/track_view.h"

const struct field album_part_fields[] = {
    FIELD("artists", LIST, struct album_part, artists, .item = RECORD, .item_size = sizeof(struct artist_ref),
          .record = artist_ref_fields, .always = true),
    { 0 },
};

enum { TEXT_MAX = 8 << 10 };

struct value {
    enum facet facet;
    const char *value;
};

struct values {
    struct value *items;
    size_t count, room;
};

static void values_add(struct arena *arena, struct values *values, enum facet facet, const char *value)
{
    if (values->count == values->room) {
        size_t room = values->room ? values->room * 2 : 32;
        struct value *items = arena_array(arena, struct value, room);
        for (size_t i = 0; i < values->count; i++)
            items[i] = values->items[i];
        values->items = items;
        values->room = room;
    }
    values->items[values->count++] = (struct value){ facet, value };
}

/* Numbers of a track, 0 where it is not there. */
static bool find(struct ctx *ctx, struct connection *writer, const char *id, int64_t *n, int64_t *version)
{
    _cleanup_(statement_leave)
        sqlite3_stmt *get = statement_of(ctx, writer, "SELECT n, version FROM tracks WHERE id = ?");
    if (!get)
        return false;
    bind_text(get, 1, id);
    int code = statement_step(ctx, writer, get);
    *n = code == SQLITE_ROW ? sqlite3_column_int64(get, 0) : 0;
    *version = code == SQLITE_ROW ? sqlite3_column_int64(get, 1) : 0;
    return code != 0;
}

static bool run_for(struct ctx *ctx, struct connection *writer, const char *sql, int64_t n)
{
    sqlite3_stmt *statement = statement_of(ctx, writer, sql);
    if (!statement)
        return false;
    sqlite3_bind_int64(statement, 1, n);
    return statement_run(ctx, writer, statement);
}

/* What was counted with the track, to be counted anew. */
static bool take_values(struct ctx *ctx, struct connection *writer, int64_t n, struct values *values)
{
    _cleanup_(statement_leave)
        sqlite3_stmt *get = statement_of(ctx, writer, "SELECT kind, value FROM facets WHERE track = ?");
    if (!get)
        return false;
    sqlite3_bind_int64(get, 1, n);
    int code;
    while ((code = statement_step(ctx, writer, get)) == SQLITE_ROW)
        values_add(&ctx->arena, values, (enum facet)sqlite3_column_int(get, 0), column_text(ctx, get, 1));
    return code == SQLITE_DONE;
}

/* Adds the track's facets to what is counted, or takes them off; ?2 is 1 or -1. */
static bool count(struct ctx *ctx, struct library *library, int64_t n, int by)
{
    static const char *const sql[] = {
        "INSERT INTO spellings SELECT kind, value, name, ?2 FROM facets WHERE track = ?1"
        " ON CONFLICT DO UPDATE SET tracks = tracks + excluded.tracks",
        "INSERT INTO on_albums SELECT mine.kind, mine.value, album.value, ?2 FROM facets mine"
        " CROSS JOIN facets album ON album.track = ?1 AND album.kind = 3 WHERE mine.track = ?1 AND mine.kind IN (1, 2, 4)"
        " ON CONFLICT DO UPDATE SET tracks = tracks + excluded.tracks",
    };
    for (size_t i = 0; !library->building && i < sizeof sql / sizeof *sql; i++) {
        sqlite3_stmt *statement = statement_of(ctx, library->writer, sql[i]);
        if (!statement)
            return false;
        sqlite3_bind_int64(statement, 1, n);
        sqlite3_bind_int(statement, 2, by);
        if (!statement_run(ctx, library->writer, statement))
            return false;
    }
    return true;
}

static bool take_away(struct ctx *ctx, struct library *library, int64_t n, struct values *values)
{
    struct connection *writer = library->writer;
    return take_values(ctx, writer, n, values) && count(ctx, library, n, -1) &&
           run_for(ctx, writer, "DELETE FROM facets WHERE track = ?", n) &&
           run_for(ctx, writer, "DELETE FROM track_words WHERE rowid = ?", n) &&
           run_for(ctx, writer, "DELETE FROM tracks WHERE n = ?", n);
}

static bool put_facet(struct ctx *ctx, struct connection *writer, int64_t n, enum facet facet, const char *value,
                      const char *name, struct values *values)
{
    sqlite3_stmt *put = statement_of(ctx, writer, "INSERT OR IGNORE INTO facets VALUES(?, ?, ?, ?)");
    if (!put)
        return false;
    values_add(&ctx->arena, values, facet, value);
    sqlite3_bind_int(put, 1, (int)facet);
    bind_text(put, 2, value);
    sqlite3_bind_int64(put, 3, n);
    bind_text(put, 4, name);
    return statement_run(ctx, writer, put);
}

static bool put_artists(struct ctx *ctx, struct connection *writer, int64_t n, enum facet facet,
                        const struct list *artists, struct values *values)
{
    const struct artist_ref *items = artists->items;
    for (size_t i = 0; i < artists->count; i++)
        if (!put_facet(ctx, writer, n, facet, items[i].id, items[i].name, values))
            return false;
    return true;
}

static bool put_facets(struct ctx *ctx, struct connection *writer, int64_t n, const struct version *live,
                       struct values *values)
{
    const struct audio *audio = live->audio;
    if (!put_artists(ctx, writer, n, FACET_ARTIST, &audio->artists, values) ||
        !put_artists(ctx, writer, n, FACET_ALBUM_ARTIST, &audio->album_artists, values) ||
        (audio->album && !put_facet(ctx, writer, n, FACET_ALBUM, audio->album->id, audio->album->name, values)))
        return false;
    for (size_t i = 0; i < audio->genres.count; i++) {
        const char *name = ((const char **)audio->genres.items)[i];
        if (!put_facet(ctx, writer, n, FACET_GENRE, fold_name(&ctx->arena, name), name, values))
            return false;
    }
    for (size_t i = 0; i < live->tags.count; i++) {
        const char *tag = ((const char **)live->tags.items)[i];
        if (!put_facet(ctx, writer, n, FACET_TAG, tag, tag, values))
            return false;
    }
    return true;
}

static bool put_track(struct ctx *ctx, struct connection *writer, const struct track *track, int64_t *n)
{
    sqlite3_stmt *put = statement_of(ctx, writer, "INSERT INTO tracks VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    const struct audio *audio = track->live->audio;
    struct album_part part = { audio->album_artists };
    struct track_view view;
    if (!put)
        return false;
    track_view_live(track, &view);
    bind_text(put, 1, track->doc.id);
    sqlite3_bind_int64(put, 2, track->doc.version);
    sqlite3_bind_int64(put, 3, track->published_at);
    sqlite3_bind_int64(put, 4, audio->disc_number);
    sqlite3_bind_int64(put, 5, audio->track_number);
    sqlite3_bind_int64(put, 6, audio->year);
    sqlite3_bind_double(put, 7, audio->duration);
    bind_text(put, 8, audio->cover_id);
    bind_record(ctx, put, 9, track_view_fields, &view);
    bind_record(ctx, put, 10, album_part_fields, &part);
    bool done = statement_run(ctx, writer, put);
    *n = sqlite3_last_insert_rowid(writer->db);
    return done;
}

static const char *artist_words(struct arena *arena, const struct list *artists)
{
    struct buf names = BUF(arena);
    for (size_t i = 0; i < artists->count && names.size < TEXT_MAX; i++) {
        buf_text(&names, ((const struct artist_ref *)artists->items)[i].name);
        buf_char(&names, '\n');
    }
    return fold_for_index(arena, names.data ? names.data : "");
}

static const char *tag_words(struct arena *arena, const struct list *tags)
{
    struct buf names = BUF(arena);
    for (size_t i = 0; i < tags->count && names.size < TEXT_MAX; i++) {
        buf_text(&names, ((const char **)tags->items)[i]);
        buf_char(&names, '\n');
    }
    return fold_for_index(arena, names.data ? names.data : "");
}

static bool put_words(struct ctx *ctx, struct connection *writer, int64_t n, const struct version *live)
{
    sqlite3_stmt *put = statement_of(
        ctx, writer, "INSERT INTO track_words(rowid, title, artist, album, tags) VALUES(?, ?, ?, ?, ?)");
    if (!put)
        return false;
    sqlite3_bind_int64(put, 1, n);
    bind_text(put, 2, fold_for_index(&ctx->arena, live->title));
    bind_text(put, 3, artist_words(&ctx->arena, &live->audio->artists));
    bind_text(put, 4, live->audio->album ? fold_for_index(&ctx->arena, live->audio->album->name) : "");
    bind_text(put, 5, tag_words(&ctx->arena, &live->tags));
    return statement_run(ctx, writer, put);
}

static bool drop_one(struct ctx *ctx, struct connection *writer, const char *sql, const struct value *of,
                     const char *album)
{
    sqlite3_stmt *statement = statement_of(ctx, writer, sql);
    if (!statement)
        return false;
    sqlite3_bind_int(statement, 1, (int)of->facet);
    bind_text(statement, 2, of->value);
    if (album)
        bind_text(statement, 3, album);
    return statement_run(ctx, writer, statement);
}

/* What was counted down to nothing goes. By whole keys: an IN over two columns would look through all of a kind. */
static bool drop_uncounted(struct ctx *ctx, struct connection *writer, const struct values *values)
{
    static const char spelling[] = "DELETE FROM spellings WHERE kind = ? AND value = ? AND tracks <= 0";
    static const char on_album[] = "DELETE FROM on_albums WHERE kind = ? AND value = ? AND album = ? AND tracks <= 0";
    for (size_t i = 0; i < values->count; i++) {
        const struct value *of = &values->items[i];
        if (!drop_one(ctx, writer, spelling, of, NULL))
            return false;
        for (size_t j = 0; j < values->count; j++)
            if (values->items[j].facet == FACET_ALBUM && !drop_one(ctx, writer, on_album, of, values->items[j].value))
                return false;
    }
    return true;
}

static bool refresh(struct ctx *ctx, struct library *library, const struct values *values)
{
    if (library->building)
        return true;
    if (!drop_uncounted(ctx, library->writer, values))
        return false;
    for (size_t i = 0; i < values->count; i++)
        if (!group_refresh(ctx, library, values->items[i].facet, values->items[i].value))
            return false;
    return true;
}

bool library_apply(struct ctx *ctx, struct library *library, const struct track *track)
{
    struct connection *writer = library->writer;
    struct values values = { 0 };
    int64_t n, version;
    if (!find(ctx, writer, track->doc.id, &n, &version))
        return false;
    if (n && version >= track->doc.version)
        return true;
    if (n && !take_away(ctx, library, n, &values))
        return false;
    if (track->live && track->live->audio &&
        (!put_track(ctx, writer, track, &n) || !put_words(ctx, writer, n, track->live) ||
         !put_facets(ctx, writer, n, track->live, &values) || !count(ctx, library, n, 1)))
        return false;
    return refresh(ctx, library, &values);
}

bool library_forget(struct ctx *ctx, struct library *library, const char *id)
{
    struct values values = { 0 };
    int64_t n, version;
    if (!find(ctx, library->writer, id, &n, &version))
        return false;
    return !n || (take_away(ctx, library, n, &values) && refresh(ctx, library, &values));
}
