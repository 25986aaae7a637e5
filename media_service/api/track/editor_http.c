#include "track/editor_http.h"

#include "base/log.h"
#include "departure/departure.h"
#include "track/track_list.h"
#include "track/tracks.h"

struct reason_in {
    const char *reason;
};

static const struct field reason_fields[] = {
    FIELD("reason", TEXT, struct reason_in, reason, .required = true, .min = 1, .max = 1000, .doc = "for the artist"),
    { 0 },
};

/* What is not public any more, of somebody who is gone, is nobody's to work on. It is done: no answer hangs on this. */
static void forget_if_gone(struct request *req, const struct track *track)
{
    bool gone;
    if (!track->live && !departure_again(&req->ctx, req->service, track->owner_id, &gone))
        log_failure(LOG_WARN, &req->ctx, "a track of somebody who is gone stays unpublished");
    req->ctx.error = NULL;
}

static struct response *change(struct request *req, const char *message, const struct change *change)
{
    struct track_view view;
    const struct track *track = track_change(&req->ctx, req->service, request_param(req, "id"), change);
    if (!track)
        return NULL;
    forget_if_gone(req, track);
    track_view_working(track, &view);
    return respond(req, message, studio_view_fields, &view);
}

static struct response *with_reason(struct request *req, const char *message, enum track_action action)
{
    struct reason_in in = { 0 };
    if (!request_body(req, reason_fields, &in))
        return NULL;
    return change(req, message, &(struct change){ .action = action, .reason = in.reason });
}

static struct response *publish(struct request *req)
{
    return change(req, "published", &(struct change){ .action = TRACK_PUBLISH });
}

static struct response *give_back(struct request *req)
{
    return with_reason(req, "returned", TRACK_RETURN);
}

static struct response *unpublish(struct request *req)
{
    return with_reason(req, "unpublished", TRACK_UNPUBLISH);
}

static struct response *list(struct request *req)
{
    const struct tracks *tracks = req->service;
    size_t limit;
    const char *cursor, *state;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !request_state(req, "submitted", &state) ||
        !track_store_by_state(&req->ctx, tracks->store, state, limit, cursor, &page))
        return NULL;
    return respond_tracks(req, &page, view_of_state(state), studio_view_fields);
}

#define EDITOR SIGNED_IN, .permission = "track:publish", .out = studio_view_fields

const struct route editor_routes[] = {
    { GET, "/editor/tracks", list, EDITOR,
      .summary = "Everybody's tracks, newest first; ?status=, without it what is submitted" },
    { PUT, "/editor/tracks/{id}/publish", publish, EDITOR, .summary = "Makes the submitted version the public one" },
    { PUT, "/editor/tracks/{id}/return", give_back, EDITOR, .in = reason_fields,
      .summary = "Gives it back to the artist" },
    { PUT, "/editor/tracks/{id}/unpublish", unpublish, EDITOR, .in = reason_fields,
      .summary = "Takes the public version away" },
    { 0 },
};
