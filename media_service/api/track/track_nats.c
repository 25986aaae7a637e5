#include "track/track_nats.h"

#include "contract/messages.h"
#include "contract/subjects.h"
#include "track/track_view.h"
#include "track/tracks.h"

static struct response *get(struct request *req)
{
    struct by_id in = { 0 };
    struct track_view view;
    if (!request_body(req, by_id_fields, &in))
        return NULL;
    const struct track *track = track_live(&req->ctx, req->service, in.id);
    if (!track)
        return NULL;
    track_view_live(track, &view);
    return reply(req, track_view_fields, &view);
}

const struct subject track_subjects[] = {
    { SUBJECT_TRACK_GET, get, .in = by_id_fields, .out = track_view_fields, .summary = "A published track" },
    { 0 },
};
