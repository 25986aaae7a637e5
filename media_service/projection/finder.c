#include "projection/finder.h"

#include "base/text.h"
#include "projection/bookmark.h"
#include "projection/finder_parts.h"
#include "projection/query.h"

#include <string.h>

enum { OFFSET_MAX = 10000 };

bool found_rows(struct found *found, sqlite3_stmt *statement, row_fn *read, size_t size, size_t limit, struct list *out,
                bool *more)
{
    struct ctx *ctx = found->ctx;
    _cleanup_(statement_leave) sqlite3_stmt *rows = statement;
    char *items = arena_alloc(&ctx->arena, size * (limit + 1));
    size_t count = 0;
    int code = 0;
    while (count < limit && (code = statement_step(ctx, found->reader, rows)) == SQLITE_ROW)
        if (!read(ctx, rows, items + size * count++))
            return false;
    if (count == limit)
        code = statement_step(ctx, found->reader, rows);
    if (more)
        *more = code == SQLITE_ROW;
    *out = (struct list){ items, count };
    return code != 0;
}

bool row_track(struct ctx *ctx, sqlite3_stmt *row, void *item)
{
    return column_record(ctx, row, 0, track_view_fields, item);
}

bool row_artist(struct ctx *ctx, sqlite3_stmt *row, void *item)
{
    *(struct artist_view *)item = (struct artist_view){ .id = column_text(ctx, row, 0),
                                                        .name = column_text(ctx, row, 1),
                                                        .tracks = sqlite3_column_int64(row, 2),
                                                        .albums = sqlite3_column_int64(row, 3) };
    return true;
}

bool row_album(struct ctx *ctx, sqlite3_stmt *row, void *item)
{
    struct album_part part = { 0 };
    if (!column_record(ctx, row, 2, album_part_fields, &part))
        return false;
    *(struct album_view *)item = (struct album_view){
        .id = column_text(ctx, row, 0),
        .name = column_text(ctx, row, 1),
        .artists = part.artists,
        .year = sqlite3_column_int64(row, 3),
        .tracks = sqlite3_column_int64(row, 5),
        .duration = sqlite3_column_double(row, 6),
        .cover_id = sqlite3_column_type(row, 4) == SQLITE_NULL ? NULL : column_text(ctx, row, 4),
    };
    return true;
}

/* Names of artists that match, by commas. */
static const char *mark_artists(struct arena *arena, const struct query_words *query, const struct list *artists)
{
    struct buf out = BUF(arena);
    for (size_t i = 0; i < artists->count; i++) {
        const char *marked = query_highlight(arena, query, ((const struct artist_ref *)artists->items)[i].name);
        if (marked && out.size)
            buf_text(&out, ", ");
        if (marked)
            buf_text(&out, marked);
    }
    return out.data;
}

static const char *mark_tags(struct arena *arena, const struct query_words *query, const struct list *tags)
{
    struct buf out = BUF(arena);
    for (size_t i = 0; i < tags->count; i++) {
        const char *marked = query_highlight(arena, query, ((const char **)tags->items)[i]);
        if (marked && out.size)
            buf_text(&out, ", ");
        if (marked)
            buf_text(&out, marked);
    }
    return out.data;
}

static struct highlight *highlight(struct arena *arena, struct highlight marks)
{
    struct highlight *out = arena_new(arena, struct highlight);
    *out = marks;
    return out;
}

static void mark_track(struct arena *arena, const struct query_words *query, void *item)
{
    struct track_hit *hit = item;
    hit->highlight = highlight(
        arena,
        (struct highlight){ .title = query_highlight(arena, query, hit->view.title),
                            .artist = mark_artists(arena, query, &hit->view.artists),
                            .album = hit->view.album ? query_highlight(arena, query, hit->view.album->name) : NULL,
                            .tags = mark_tags(arena, query, &hit->view.tags) });
}

static void mark_album(struct arena *arena, const struct query_words *query, void *item)
{
    struct album_view *album = item;
    album->highlight = highlight(arena, (struct highlight){ .album = query_highlight(arena, query, album->name),
                                                            .artist = mark_artists(arena, query, &album->artists) });
}

static void mark_artist(struct arena *arena, const struct query_words *query, void *item)
{
    struct artist_view *artist = item;
    artist->highlight = highlight(arena, (struct highlight){ .artist = query_highlight(arena, query, artist->name) });
}

static const struct kind {
    const char *name;
    const char *sql; /* match, limit, offset */
    row_fn *read;
    void (*mark)(struct arena *arena, const struct query_words *query, void *item);
    size_t size;
    size_t offset; /* of its section in struct search_result */
} kinds[] = {
    { "tracks",
      "SELECT view FROM (SELECT rowid AS n, rank AS place FROM track_words WHERE track_words MATCH ?1 ORDER BY rank, "
      "rowid DESC"
      " LIMIT ?2 OFFSET ?3) CROSS JOIN tracks USING(n) ORDER BY place, n DESC",
      row_track, mark_track, sizeof(struct track_hit), offsetof(struct search_result, tracks) },
    { "albums",
      "SELECT " ALBUM_COLUMNS " FROM (SELECT rowid AS n, rank AS place FROM album_words WHERE album_words MATCH ?1"
      " ORDER BY rank, rowid DESC LIMIT ?2 OFFSET ?3) CROSS JOIN albums USING(n) ORDER BY place, n DESC",
      row_album, mark_album, sizeof(struct album_view), offsetof(struct search_result, albums) },
    { "artists",
      "SELECT " ARTIST_COLUMNS " FROM (SELECT rowid AS n, rank AS place FROM artist_words WHERE artist_words MATCH ?1"
      " ORDER BY rank, rowid DESC LIMIT ?2 OFFSET ?3) CROSS JOIN artists USING(n) ORDER BY place, n DESC",
      row_artist, mark_artist, sizeof(struct artist_view), offsetof(struct search_result, artists) },
};

static bool find_kind(struct found *found, const struct kind *kind, const struct query_words *query,
                      const struct search *search, int64_t offset, struct section *out)
{
    struct arena *arena = &found->ctx->arena;
    sqlite3_stmt *statement = statement_of(found->ctx, found->reader, kind->sql);
    bool more = false;
    if (!statement)
        return false;
    bind_text(statement, 1, query->match);
    sqlite3_bind_int64(statement, 2, (int64_t)search->limit + 1);
    sqlite3_bind_int64(statement, 3, offset);
    if (!found_rows(found, statement, kind->read, kind->size, search->limit, &out->items, &more))
        return false;
    for (size_t i = 0; i < out->items.count; i++)
        kind->mark(arena, query, (char *)out->items.items + i * kind->size);
    offset += (int64_t)search->limit;
    if (more && offset <= OFFSET_MAX)
        out->next = bookmark_write(found->ctx, "search", search->text,
                                   arena_printf(arena, "%s %ld", kind->name, (long)offset));
    return true;
}

/* "tracks 40": which section goes on where. */
static const struct kind *cursor_kind(struct ctx *ctx, const struct search *search, int64_t *offset)
{
    const char *place = bookmark_read(ctx, "search", search->text, search->cursor);
    for (size_t i = 0; place && i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].name);
        if (!strncmp(place, kinds[i].name, length) && place[length] == ' ' &&
            text_number(place + length + 1, OFFSET_MAX, offset))
            return &kinds[i];
    }
    return place ? ctx_fail(ctx, ERROR_INVALID, "the cursor is not of this list") : NULL;
}

static struct search_result nothing(struct arena *arena)
{
    struct section *sections = arena_array(arena, struct section, 5);
    return (struct search_result){ &sections[0], &sections[1], &sections[2], &sections[3], &sections[4] };
}

bool find_all(struct ctx *ctx, struct library *library, const struct search *search, struct search_result *out)
{
    const struct kind *only = NULL;
    int64_t offset = 0;
    *out = nothing(&ctx->arena);
    if (utf8_count(search->text) > QUERY_CHARACTERS) {
        ctx_violation(ctx, "q", "max", "q must be at most %d characters", QUERY_CHARACTERS);
        return false;
    }
    if (search->cursor && !(only = cursor_kind(ctx, search, &offset)))
        return false;
    const struct query_words *query = query_parse(&ctx->arena, search->text);
    if (!query)
        return true;
    _cleanup_(found_done) struct found found = found_begin(ctx, library);
    if (!found.reader)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct section *section = *(struct section **)((char *)out + kinds[i].offset);
        if ((!only || only == &kinds[i]) && !find_kind(&found, &kinds[i], query, search, offset, section))
            return false;
    }
    return true;
}
