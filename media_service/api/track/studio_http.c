#include "track/studio_http.h"

#include "track/studio.h"
#include "track/track_list.h"

#include <string.h>

static struct response *answer(struct request *req, const char *message, const struct track *track)
{
    struct track_view view;
    if (!track)
        return NULL;
    track_view_working(track, &view);
    return respond(req, message, studio_view_fields, &view);
}

static struct response *create(struct request *req)
{
    struct draft draft = { 0 };
    struct track_view view;
    if (!request_body(req, draft_fields, &draft))
        return NULL;
    const struct track *track = studio_create(&req->ctx, req->service, req->caller->user_id, &draft);
    if (!track)
        return NULL;
    track_view_working(track, &view);
    return respond_created(req, "draft made", studio_view_fields, &view);
}

static struct response *edit(struct request *req)
{
    struct draft draft = { 0 };
    if (!request_body(req, draft_fields, &draft))
        return NULL;
    return answer(req, "draft changed",
                  studio_edit(&req->ctx, req->service, req->caller->user_id, request_param(req, "id"), &draft));
}

static struct response *show(struct request *req)
{
    return answer(req, "success", track_owned(&req->ctx, req->service, req->caller->user_id, request_param(req, "id")));
}

static struct response *upload(struct request *req)
{
    if (req->body_fd < 0)
        return ctx_fail(&req->ctx, ERROR_UNPROCESSABLE, "the body must be the audio file");
    return answer(req, "audio taken",
                  studio_upload(&req->ctx, req->service, req->caller->user_id, req->caller->name,
                                request_param(req, "id"), req->body_fd));
}

static struct track *step(struct request *req, enum track_action action)
{
    return studio_step(&req->ctx, req->service, req->caller->user_id, request_param(req, "id"), action);
}

static struct response *submit(struct request *req)
{
    return answer(req, "submitted", step(req, TRACK_SUBMIT));
}

static struct response *withdraw(struct request *req)
{
    return answer(req, "withdrawn", step(req, TRACK_WITHDRAW));
}

static struct response *delete (struct request *req)
{
    return step(req, TRACK_DELETE) ? respond(req, "deleted", NULL, NULL) : NULL;
}

static struct response *list(struct request *req)
{
    const struct tracks *tracks = req->service;
    size_t limit;
    const char *cursor, *state;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !request_state(req, NULL, &state) ||
        !track_store_by_owner(&req->ctx, tracks->store, req->caller->user_id, state, limit, cursor, &page))
        return NULL;
    return respond_tracks(req, &page, view_of_state(state), studio_view_fields);
}

#define ARTIST SIGNED_IN, .role = "ARTIST", .out = studio_view_fields

static const struct route rows[] = {
    { POST, "/studio/tracks", create, ARTIST, .in = draft_fields, .summary = "Makes a draft" },
    { GET, "/studio/tracks", list, ARTIST,
      .summary = "One's own tracks, newest first; ?status=draft, submitted, published, unpublished" },
    { GET, "/studio/tracks/{id}", show, ARTIST, .summary = "One's own track, the version that is worked on" },
    { PUT, "/studio/tracks/{id}", edit, ARTIST, .in = draft_fields,
      .summary = "Replaces what a draft says; of a published track, makes a draft beside it" },
    { DELETE, "/studio/tracks/{id}", delete, SIGNED_IN, .role = "ARTIST",
      .summary = "Deletes a track that is not public; of a public one, only the draft beside it" },
    { PUT, "/studio/tracks/{id}/audio", upload, ARTIST, .body_to_file = true, .heavy = true,
      .deadline_ms = AUDIO_DEADLINE_MS, .summary = "The audio file as it is; its kind is found by decoding it" },
    { PUT, "/studio/tracks/{id}/submit", submit, ARTIST, .summary = "Gives the draft to the editors" },
    { PUT, "/studio/tracks/{id}/withdraw", withdraw, ARTIST, .summary = "Takes it back" },
    { 0 },
};

const struct route *studio_routes(struct arena *arena, size_t audio_max)
{
    struct route *routes = (struct route *)arena_memdup(arena, rows, sizeof rows);
    for (struct route *route = routes; route->path; route++)
        if (route->body_to_file)
            route->body_max = audio_max;
    return routes;
}
