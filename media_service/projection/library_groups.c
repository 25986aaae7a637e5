/* Artists, albums and genres: counted from the facets of the tracks they have. */
#include "projection/library_parts.h"

#include "base/buf.h"
#include "base/text.h"
#include "text/fold.h"

#include <string.h>

static sqlite3_stmt *statement_for(struct ctx *ctx, struct connection *writer, const char *sql, const char *value)
{
    sqlite3_stmt *statement = statement_of(ctx, writer, sql);
    if (statement)
        bind_text(statement, 1, value);
    return statement;
}

/* Removes the row and its words. */
static bool drop(struct ctx *ctx, struct connection *writer, const char *words, const char *row, const char *value)
{
    return (!words || statement_run(ctx, writer, statement_for(ctx, writer, words, value))) &&
           statement_run(ctx, writer, statement_for(ctx, writer, row, value));
}

static bool put_artist(struct ctx *ctx, struct connection *writer, const char *id, const char *name, int64_t tracks,
                       int64_t albums)
{
    sqlite3_stmt *row = statement_for(ctx, writer,
                                      "INSERT INTO artists(id, sort, name, tracks, albums) VALUES(?, ?, ?, ?, ?)", id);
    if (!row)
        return false;
    bind_text(row, 2, fold_name(&ctx->arena, name));
    bind_text(row, 3, name);
    sqlite3_bind_int64(row, 4, tracks);
    sqlite3_bind_int64(row, 5, albums);
    if (!statement_run(ctx, writer, row))
        return false;
    sqlite3_stmt *words = statement_of(ctx, writer,
                                       "INSERT INTO artist_words(rowid, name) VALUES(last_insert_rowid(), ?)");
    if (!words)
        return false;
    bind_text(words, 1, fold_for_index(&ctx->arena, name));
    return statement_run(ctx, writer, words);
}

/* Spelt as most of its tracks spell it. */
static const char artist_sql[] =
    "SELECT (SELECT name FROM spellings WHERE kind IN (1, 2) AND value = ?1 GROUP BY name ORDER BY SUM(tracks) DESC, name LIMIT 1),"
    " (SELECT SUM(tracks) FROM spellings WHERE kind = 1 AND value = ?1),"
    " (SELECT COUNT(DISTINCT album) FROM on_albums WHERE kind IN (1, 2) AND value = ?1)";

static bool refresh_artist(struct ctx *ctx, struct connection *writer, const char *id)
{
    if (!drop(ctx, writer, "DELETE FROM artist_words WHERE rowid = (SELECT n FROM artists WHERE id = ?)",
              "DELETE FROM artists WHERE id = ?", id))
        return false;
    _cleanup_(statement_leave) sqlite3_stmt *count = statement_for(ctx, writer, artist_sql, id);
    if (!count || statement_step(ctx, writer, count) != SQLITE_ROW)
        return false;
    if (sqlite3_column_type(count, 0) == SQLITE_NULL)
        return true;
    return put_artist(ctx, writer, id, column_text(ctx, count, 0), sqlite3_column_int64(count, 1),
                      sqlite3_column_int64(count, 2));
}

struct album_row {
    const char *name, *cover;
    struct album_part part;
    int64_t year, tracks;
    double duration;
};

/* Name, artists and picture are those of its first track; the year is the earliest. */
static const char album_sql[] = "SELECT facets.name, tracks.album, tracks.cover, tracks.year, tracks.duration FROM "
                                "facets CROSS JOIN tracks ON tracks.n = facets.track"
                                " WHERE kind = 3 AND value = ? ORDER BY disc, number, tracks.id";

static bool read_album(struct ctx *ctx, struct connection *writer, const char *id, struct album_row *album)
{
    _cleanup_(statement_leave) sqlite3_stmt *get = statement_for(ctx, writer, album_sql, id);
    int code = 0;
    while (get && (code = statement_step(ctx, writer, get)) == SQLITE_ROW) {
        int64_t year = sqlite3_column_int64(get, 3);
        if (album->tracks++ == 0) {
            album->name = column_text(ctx, get, 0);
            if (!column_record(ctx, get, 1, album_part_fields, &album->part))
                return false;
        }
        if (!album->cover && sqlite3_column_type(get, 2) != SQLITE_NULL)
            album->cover = column_text(ctx, get, 2);
        if (year > 0 && (album->year == 0 || year < album->year))
            album->year = year;
        album->duration += sqlite3_column_double(get, 4);
    }
    return code == SQLITE_DONE;
}

static bool put_album_words(struct ctx *ctx, struct connection *writer, const struct album_row *album)
{
    struct buf artists = BUF(&ctx->arena);
    sqlite3_stmt *words = statement_of(
        ctx, writer, "INSERT INTO album_words(rowid, name, artist) VALUES(last_insert_rowid(), ?, ?)");
    if (!words)
        return false;
    for (size_t i = 0; i < album->part.artists.count; i++) {
        buf_text(&artists, ((const struct artist_ref *)album->part.artists.items)[i].name);
        buf_char(&artists, '\n');
    }
    bind_text(words, 1, fold_for_index(&ctx->arena, album->name));
    bind_text(words, 2, fold_for_index(&ctx->arena, artists.data ? artists.data : ""));
    return statement_run(ctx, writer, words);
}

static bool refresh_album(struct ctx *ctx, struct connection *writer, const char *id)
{
    struct album_row album = { 0 };
    if (!drop(ctx, writer, "DELETE FROM album_words WHERE rowid = (SELECT n FROM albums WHERE id = ?)",
              "DELETE FROM albums WHERE id = ?", id) ||
        !read_album(ctx, writer, id, &album))
        return false;
    if (album.tracks == 0)
        return true;
    sqlite3_stmt *row = statement_for(
        ctx, writer,
        "INSERT INTO albums(id, sort, name, artists, year, cover, tracks, duration) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
        id);
    if (!row)
        return false;
    bind_text(row, 2, fold_name(&ctx->arena, album.name));
    bind_text(row, 3, album.name);
    bind_record(ctx, row, 4, album_part_fields, &album.part);
    sqlite3_bind_int64(row, 5, album.year);
    bind_text(row, 6, album.cover);
    sqlite3_bind_int64(row, 7, album.tracks);
    sqlite3_bind_double(row, 8, album.duration);
    return statement_run(ctx, writer, row) && put_album_words(ctx, writer, &album);
}

static const char genre_sql[] =
    "INSERT INTO genres SELECT value, (SELECT name FROM spellings WHERE kind = 4 AND value = ?1 ORDER BY tracks DESC, name LIMIT 1),"
    " SUM(tracks), COALESCE((SELECT albums FROM genre_albums WHERE genre = ?1), 0)"
    " FROM spellings WHERE kind = 4 AND value = ?1 GROUP BY value";

static bool refresh_genre(struct ctx *ctx, struct connection *writer, const char *value)
{
    return drop(ctx, writer, NULL, "DELETE FROM genres WHERE id = ?", value) &&
           statement_run(ctx, writer, statement_for(ctx, writer, genre_sql, value));
}

bool group_refresh(struct ctx *ctx, struct library *library, enum facet facet, const char *value)
{
    switch (facet) {
    case FACET_ARTIST:
    case FACET_ALBUM_ARTIST:
        return refresh_artist(ctx, library->writer, value);
    case FACET_ALBUM:
        return refresh_album(ctx, library->writer, value);
    case FACET_GENRE:
        return refresh_genre(ctx, library->writer, value);
    case FACET_TAG:
        break;
    }
    return true;
}

enum { GROUPS_AT_ONCE = 500 };

/* The next distinct values after `value`, each refreshed; what they allocate is freed with each batch. */
static bool refresh_batch(struct ctx *ctx, struct library *library, enum facet facet, char *after, size_t room,
                          bool *more)
{
    const char *values[GROUPS_AT_ONCE];
    size_t count = 0;
    sqlite3_stmt *get = statement_for(
        ctx, library->writer,
        "SELECT DISTINCT value FROM facets WHERE value > ?1 AND kind = ?2 ORDER BY value LIMIT ?3", after);
    if (!get)
        return false;
    sqlite3_bind_int(get, 2, (int)facet);
    sqlite3_bind_int(get, 3, GROUPS_AT_ONCE);
    int code;
    while ((code = statement_step(ctx, library->writer, get)) == SQLITE_ROW)
        values[count++] = column_text(ctx, get, 0);
    sqlite3_reset(get);
    for (size_t i = 0; i < count; i++)
        if (!group_refresh(ctx, library, facet, values[i]))
            return false;
    *more = count == GROUPS_AT_ONCE && strlen(values[count - 1]) < room;
    if (*more)
        strcpy(after, values[count - 1]);
    return code == SQLITE_DONE;
}

/* While building nothing is counted: it is done here at once. */
static const char count_all[] =
    "INSERT INTO spellings SELECT kind, value, name, COUNT(*) FROM facets GROUP BY kind, value, name;"
    "INSERT INTO on_albums SELECT mine.kind, mine.value, album.value, COUNT(*) FROM facets mine"
    " CROSS JOIN facets album ON album.track = mine.track AND album.kind = 3 WHERE mine.kind IN (1, 2, 4)"
    " GROUP BY mine.kind, mine.value, album.value;";

bool groups_refresh_all(struct ctx *ctx, struct library *library)
{
    static const enum facet facets[] = { FACET_ARTIST, FACET_ALBUM_ARTIST, FACET_ALBUM, FACET_GENRE };
    char after[4096] = "";
    bool good = connection_run(ctx, library->writer, "BEGIN IMMEDIATE") &&
                connection_run(ctx, library->writer, count_all);
    for (size_t i = 0; good && i < sizeof facets / sizeof *facets; i++) {
        bool more = true;
        after[0] = '\0';
        while (good && more) {
            struct ctx batch = { .request_id = "", .deadline_ms = ctx->deadline_ms };
            good = refresh_batch(&batch, library, facets[i], after, sizeof after, &more);
            ctx_finish(&batch);
        }
    }
    if (!good)
        return ctx_fail(ctx, ERROR_UNAVAILABLE, "the projection could not be counted");
    return connection_run(ctx, library->writer, "COMMIT");
}
