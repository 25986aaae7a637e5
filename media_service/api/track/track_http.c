#include "track/track_http.h"

#include "base/random.h"
#include "base/text.h"
#include "blob/blob.h"
#include "track/cover.h"
#include "track/track_list.h"
#include "track/tracks.h"

#include <string.h>

enum { TAG_MAX = 200 };

static struct response *answer(struct request *req, const struct track *track)
{
    struct track_view view;
    if (!track)
        return NULL;
    track_view_live(track, &view);
    return respond(req, "success", track_view_fields, &view);
}

static struct response *by_id(struct request *req)
{
    return answer(req, track_live(&req->ctx, req->service, request_param(req, "id")));
}

static struct response *by_slug(struct request *req)
{
    return answer(req, track_live_by_slug(&req->ctx, req->service, request_param(req, "slug")));
}

static struct response *latest(struct request *req)
{
    const struct tracks *tracks = req->service;
    size_t limit;
    const char *cursor;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !track_store_latest(&req->ctx, tracks->store, limit, cursor, &page))
        return NULL;
    return respond_tracks(req, &page, track_view_live, track_view_fields);
}

static struct response *by_tag(struct request *req)
{
    const struct tracks *tracks = req->service;
    size_t limit;
    const char *cursor, *tag = request_param(req, "tag");
    struct page page = { 0 };
    if (!request_page(req, &limit, &cursor))
        return NULL;
    if (strlen(tag) <= TAG_MAX && !track_store_by_tag(&req->ctx, tracks->store, tag, limit, cursor, &page))
        return NULL;
    return respond_tracks(req, &page, track_view_live, track_view_fields);
}

/* A blob as it is: its hash is its name, so its bytes never change. */
static struct response *respond_blob(struct request *req, const char *hash, const char *media_type)
{
    const struct tracks *tracks = req->service;
    struct source source = { .etag = arena_printf(&req->ctx.arena, "\"%.32s\"", hash) };
    source.fd = blob_open(&req->ctx, tracks->blobs, hash, &source.size);
    if (source.fd < 0)
        return NULL;
    struct response *res = respond_source(req, media_type, source);
    response_header(req, res, "X-Content-Type-Options", "nosniff");
    return res;
}

/* What would have to be encoded anew is refused, not answered with something else. */
static bool wants_original(struct request *req)
{
    const char *format = request_query(req, "format");
    if (format && !text_equal(format, "raw"))
        ctx_violation(&req->ctx, "format", "enum", "format must be raw: the file as it was uploaded");
    if (request_query(req, "maxBitRate"))
        ctx_violation(&req->ctx, "maxBitRate", "unsupported", "only the file as it was uploaded is served");
    if (request_query(req, "offset"))
        ctx_violation(&req->ctx, "offset", "unsupported",
                      "only the file as it was uploaded is served; ask for a Range");
    return !req->ctx.error;
}

static struct response *stream(struct request *req)
{
    if (!wants_original(req))
        return NULL;
    const struct track *track = track_live(&req->ctx, req->service, request_param(req, "id"));
    if (!track)
        return NULL;
    const struct audio *audio = track->live->audio;
    struct response *res = respond_blob(req, audio->hash, audio->media_type);
    /* Asked again each time: it may have been unpublished. */
    if (res)
        response_header(req, res, "Cache-Control", "private, no-cache");
    return res;
}

/* ?size= in pixels, 0 where it is not given. */
static bool cover_size(struct request *req, int64_t *size)
{
    const char *text = request_query(req, "size");
    *size = 0;
    if (!text)
        return true;
    if (!text_number(text, COVER_SIZE_MAX, size) || *size == 0)
        ctx_violation(&req->ctx, "size", "range", "size must be a whole number from 1 to %d", COVER_SIZE_MAX);
    return !req->ctx.error;
}

static struct response *cover(struct request *req)
{
    const char *id = request_param(req, "id");
    int64_t size;
    if (!cover_size(req, &size))
        return NULL;
    if (!id_valid(id))
        return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "no such cover");
    const struct cover_doc *doc = cover_of_size(&req->ctx, req->service, id, size);
    struct response *res = doc ? respond_blob(req, doc->hash, doc->media_type) : NULL;
    if (res)
        response_header(req, res, "Cache-Control", "private, max-age=31536000, immutable");
    return res;
}

const struct route track_routes[] = {
    { GET, "/tracks/latest", latest, KEY, .cache = CACHE_TRACKS, .out = track_view_fields,
      .summary = "Published tracks, newest first" },
    { GET, "/tracks/tag/{tag}", by_tag, KEY, .cache = CACHE_TRACKS, .out = track_view_fields,
      .summary = "Published tracks with a tag, newest first" },
    { GET, "/tracks/id/{id}", by_id, KEY, .cache = CACHE_TRACKS, .out = track_view_fields,
      .summary = "A published track" },
    { GET, "/tracks/slug/{slug}", by_slug, KEY, .cache = CACHE_TRACKS, .out = track_view_fields,
      .summary = "A published track by its slug" },
    { GET, "/tracks/{id}/stream", stream, KEY, .summary = "The file as it was uploaded; Range, If-Range, ETag" },
    { GET, "/covers/{id}", cover, KEY,
      .summary = "A cover, at most 1,000 pixels wide and high; ?size= for a smaller one" },
    { 0 },
};
