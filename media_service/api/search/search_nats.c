#include "search/search_nats.h"

#include "contract/subjects.h"
#include "projection/finder.h"
#include "projection/projection.h"
#include "track/tracks.h"

enum { LIMIT_DEFAULT = 20 };

struct search_in {
    const char *text;
    int64_t limit;
    const char *cursor;
};

static const struct field search_in_fields[] = {
    FIELD("q", TEXT, struct search_in, text, .required = true, .max = 200),
    FIELD("limit", INTEGER, struct search_in, limit, .least = 1, .most = 100, .doc = "of each section; 20"),
    FIELD("cursor", TEXT, struct search_in, cursor, .max = 2048),
    { 0 },
};

static struct response *search(struct request *req)
{
    const struct tracks *tracks = req->service;
    struct search_in in = { 0 };
    struct search_result result;
    if (!request_body(req, search_in_fields, &in))
        return NULL;
    struct search question = { .text = in.text,
                               .limit = in.limit ? (size_t)in.limit : LIMIT_DEFAULT,
                               .cursor = in.cursor };
    struct library *library = projection_library(&req->ctx, tracks->projection);
    if (!library)
        return NULL;
    bool found = find_all(&req->ctx, library, &question, &result);
    library_unref(library);
    return found ? reply(req, search_result_fields, &result) : NULL;
}

const struct subject search_subjects[] = {
    { SUBJECT_SEARCH, search, .in = search_in_fields, .out = search_result_fields, .summary = "As GET /search" },
    { 0 },
};
