#include "search/search_http.h"

#include "base/catalogue.h"
#include "base/random.h"
#include "projection/finder.h"
#include "projection/projection.h"
#include "track/tracks.h"

static void library_done(struct library **library)
{
    library_unref(*library);
}

static struct library *library_of(struct request *req)
{
    const struct tracks *tracks = req->service;
    return projection_library(&req->ctx, tracks->projection);
}

static struct response *search(struct request *req)
{
    const char *text = request_query(req, "q");
    struct search search = { .text = text ? text : "" };
    struct search_result result;
    if (!request_page(req, &search.limit, &search.cursor))
        return NULL;
    _cleanup_(library_done) struct library *library = library_of(req);
    return library && find_all(&req->ctx, library, &search, &result)
               ? respond(req, "success", search_result_fields, &result)
               : NULL;
}

static struct response *similar(struct request *req)
{
    const char *id = request_param(req, "id");
    size_t limit;
    const char *cursor;
    struct list found;
    /* Its own being public is asked of the store, as for every other way to it. */
    if (!request_page(req, &limit, &cursor) || !track_live(&req->ctx, req->service, id))
        return NULL;
    _cleanup_(library_done) struct library *library = library_of(req);
    if (!library || !find_similar(&req->ctx, library, id, limit, &found))
        return NULL;
    return respond_page(req, "success", track_view_fields, found.items, sizeof(struct track_view), found.count, NULL);
}

typedef bool find_list_fn(struct ctx *ctx, struct library *library, size_t limit, const char *cursor,
                          struct section *out);

static struct response *sorted(struct request *req, find_list_fn *find, const struct field *fields, size_t size)
{
    size_t limit;
    const char *cursor;
    struct section found;
    if (!request_page(req, &limit, &cursor))
        return NULL;
    _cleanup_(library_done) struct library *library = library_of(req);
    if (!library || !find(&req->ctx, library, limit, cursor, &found))
        return NULL;
    return respond_page(req, "success", fields, found.items.items, size, found.items.count, found.next);
}

static struct response *artists(struct request *req)
{
    return sorted(req, find_artists, artist_view_fields, sizeof(struct artist_view));
}

static struct response *albums(struct request *req)
{
    return sorted(req, find_albums, album_view_fields, sizeof(struct album_view));
}

static struct response *genres(struct request *req)
{
    return sorted(req, find_genres, genre_view_fields, sizeof(struct genre_view));
}

static const char *id_of(struct request *req, const char *otherwise)
{
    const char *id = request_param(req, "id");
    return id_valid(id) ? id : ctx_fail(&req->ctx, ERROR_NOT_FOUND, "%s", otherwise);
}

static struct response *artist(struct request *req)
{
    struct artist_page page = { 0 };
    const char *id = id_of(req, MESSAGE("no such artist"));
    _cleanup_(library_done) struct library *library = id ? library_of(req) : NULL;
    return library && find_artist(&req->ctx, library, id, &page) ? respond(req, "success", artist_page_fields, &page)
                                                                 : NULL;
}

static struct response *album(struct request *req)
{
    struct album_page page = { 0 };
    const char *id = id_of(req, MESSAGE("no such album"));
    _cleanup_(library_done) struct library *library = id ? library_of(req) : NULL;
    return library && find_album(&req->ctx, library, id, &page) ? respond(req, "success", album_page_fields, &page)
                                                                : NULL;
}

const struct route search_routes[] = {
    { GET, "/search", search, KEY, .out = search_result_fields,
      .summary =
          "All words of ?q=, each by its beginning, in title, artist, album and tags; ?cursor= is one section's" },
    { GET, "/tracks/similar/{id}", similar, KEY, .out = track_view_fields,
      .summary = "What shares artists, album, genres and tags with a track, most of it first" },
    { GET, "/artists", artists, KEY, .out = artist_view_fields, .summary = "Artists of published tracks, by name" },
    { GET, "/artists/{id}", artist, KEY, .out = artist_page_fields,
      .summary = "An artist and their albums, oldest first" },
    { GET, "/albums", albums, KEY, .out = album_view_fields, .summary = "Albums of published tracks, by name" },
    { GET, "/albums/{id}", album, KEY, .out = album_page_fields, .summary = "An album and its tracks in their order" },
    { GET, "/genres", genres, KEY, .out = genre_view_fields, .summary = "Genres of published tracks, by name" },
    { 0 },
};
