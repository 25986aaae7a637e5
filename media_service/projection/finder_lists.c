/* Lists by name, one artist, one album, and what is similar. */
#include "base/catalogue.h"
#include "projection/bookmark.h"
#include "projection/finder_parts.h"
#include "text/fold.h"

#include <string.h>

enum { PART_MAX = 500 };

static bool row_genre(struct ctx *ctx, sqlite3_stmt *row, void *item)
{
    *(struct genre_view *)item = (struct genre_view){ .name = column_text(ctx, row, 0),
                                                      .tracks = sqlite3_column_int64(row, 1),
                                                      .albums = sqlite3_column_int64(row, 2) };
    return true;
}

/* A list by name; the cursor holds the sort key and id of the last one. */
struct sorted {
    const char *name;
    const char *sql; /* after sort key, after id, limit */
    row_fn *read;
    size_t size;
    size_t id_offset, name_offset; /* of an item; its sort key is made of its name */
};

static const struct sorted artists = {
    "artists",
    "SELECT " ARTIST_COLUMNS " FROM artists WHERE (sort, id) > (?1, ?2) ORDER BY sort, id LIMIT ?3",
    row_artist,
    sizeof(struct artist_view),
    offsetof(struct artist_view, id),
    offsetof(struct artist_view, name),
};

static const struct sorted albums = {
    "albums",
    "SELECT " ALBUM_COLUMNS " FROM albums WHERE (sort, id) > (?1, ?2) ORDER BY sort, id LIMIT ?3",
    row_album,
    sizeof(struct album_view),
    offsetof(struct album_view, id),
    offsetof(struct album_view, name),
};

/* A genre's id is its sort key. */
static const struct sorted genres = {
    "genres",
    "SELECT name, tracks, albums FROM genres WHERE (id, '') > (?1, ?2) ORDER BY id LIMIT ?3",
    row_genre,
    sizeof(struct genre_view),
    offsetof(struct genre_view, name),
    offsetof(struct genre_view, name),
};

static const char *text_at(const void *item, size_t offset)
{
    return *(const char *const *)((const char *)item + offset);
}

static char *sorted_next(struct ctx *ctx, const struct sorted *list, const struct list *items)
{
    const char *last = (const char *)items->items + (items->count - 1) * list->size;
    const char *sort = fold_name(&ctx->arena, text_at(last, list->name_offset));
    return bookmark_write(ctx, list->name, "",
                          arena_printf(&ctx->arena, "%s\n%s", sort, text_at(last, list->id_offset)));
}

static bool find_sorted(struct ctx *ctx, struct library *library, const struct sorted *list, size_t limit,
                        const char *cursor, struct section *out)
{
    char *sort = cursor ? bookmark_read(ctx, list->name, "", cursor) : arena_strdup(&ctx->arena, "\n");
    char *id = sort ? strrchr(sort, '\n') : NULL;
    if (sort && !id)
        ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list");
    if (!id)
        return false;
    *id++ = '\0';
    _cleanup_(found_done) struct found found = found_begin(ctx, library);
    sqlite3_stmt *statement = found.reader ? statement_of(ctx, found.reader, list->sql) : NULL;
    bool more = false;
    if (!statement)
        return false;
    bind_text(statement, 1, sort);
    bind_text(statement, 2, id);
    sqlite3_bind_int64(statement, 3, (int64_t)limit + 1);
    *out = (struct section){ 0 };
    if (!found_rows(&found, statement, list->read, list->size, limit, &out->items, &more))
        return false;
    if (more)
        out->next = sorted_next(ctx, list, &out->items);
    return true;
}

bool find_artists(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out)
{
    return find_sorted(ctx, library, &artists, limit, cursor, out);
}

bool find_albums(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out)
{
    return find_sorted(ctx, library, &albums, limit, cursor, out);
}

bool find_genres(struct ctx *ctx, struct library *library, size_t limit, const char *cursor, struct section *out)
{
    return find_sorted(ctx, library, &genres, limit, cursor, out);
}

/* All rows of a question about one id. */
static bool rows_of(struct found *found, const char *sql, const char *id, row_fn *read, size_t size, size_t limit,
                    struct list *out)
{
    sqlite3_stmt *statement = statement_of(found->ctx, found->reader, sql);
    if (!statement)
        return false;
    bind_text(statement, 1, id);
    sqlite3_bind_int64(statement, 2, (int64_t)limit);
    return found_rows(found, statement, read, size, limit, out, NULL);
}

bool find_similar(struct ctx *ctx, struct library *library, const char *id, size_t limit, struct list *out)
{
    /* The newest thousand of each thing it has are looked at: a genre may have them all. */
    static const char sql[] =
        "SELECT tracks.view FROM (SELECT other.track AS n, SUM(CASE mine.kind WHEN 1 THEN 8 WHEN 3 THEN 4 WHEN 4 THEN 3"
        " WHEN 5 THEN 2 ELSE 1 END) AS weight FROM tracks self CROSS JOIN facets mine ON mine.track = self.n"
        " CROSS JOIN facets other ON other.kind = mine.kind AND other.value = mine.value AND other.track > COALESCE("
        "(SELECT track FROM facets WHERE kind = mine.kind AND value = mine.value ORDER BY track DESC LIMIT 1 OFFSET "
        "1000), 0)"
        " WHERE self.id = ?1 AND other.track <> self.n GROUP BY other.track) CROSS JOIN tracks USING(n) ORDER BY "
        "weight "
        "DESC, published DESC, tracks.id LIMIT ?2";
    _cleanup_(found_done) struct found found = found_begin(ctx, library);
    return found.reader && rows_of(&found, sql, id, row_track, sizeof(struct track_view), limit, out);
}

static bool one_of(struct found *found, const char *sql, const char *id, row_fn *read, size_t size, void *out,
                   const char *otherwise)
{
    struct list rows;
    if (!rows_of(found, sql, id, read, size, 1, &rows))
        return false;
    if (rows.count == 0)
        return ctx_fail(found->ctx, ERROR_NOT_FOUND, "%s", otherwise);
    memcpy(out, rows.items, size);
    return true;
}

bool find_artist(struct ctx *ctx, struct library *library, const char *id, struct artist_page *out)
{
    _cleanup_(found_done) struct found found = found_begin(ctx, library);
    return found.reader &&
           one_of(&found, "SELECT " ARTIST_COLUMNS " FROM artists WHERE id = ?1 LIMIT ?2", id, row_artist,
                  sizeof out->artist, &out->artist, MESSAGE("no such artist")) &&
           rows_of(&found,
                   "SELECT " ALBUM_COLUMNS
                   " FROM albums WHERE id IN (SELECT album.value FROM facets mine CROSS JOIN facets album"
                   " ON album.track = mine.track AND album.kind = 3 WHERE mine.kind IN (1, 2) AND mine.value = ?1)"
                   " ORDER BY year, sort, id LIMIT ?2",
                   id, row_album, sizeof(struct album_view), PART_MAX, &out->album_list);
}

bool find_album(struct ctx *ctx, struct library *library, const char *id, struct album_page *out)
{
    _cleanup_(found_done) struct found found = found_begin(ctx, library);
    return found.reader &&
           one_of(&found, "SELECT " ALBUM_COLUMNS " FROM albums WHERE id = ?1 LIMIT ?2", id, row_album,
                  sizeof out->album, &out->album, MESSAGE("no such album")) &&
           rows_of(&found,
                   "SELECT tracks.view FROM facets CROSS JOIN tracks ON tracks.n = facets.track WHERE kind = 3 AND "
                   "value = ?1"
                   " ORDER BY disc, number, tracks.id LIMIT ?2",
                   id, row_track, sizeof(struct track_view), PART_MAX, &out->track_list);
}
