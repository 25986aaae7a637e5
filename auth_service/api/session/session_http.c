#include "session/session_http.h"

#include "audit/deed.h"
#include "base/text.h"

struct session_view {
    const char *id, *device, *address;
    int64_t created_at, used_at;
    bool current;
};

static const struct field session_view_fields[] = {
    FIELD("id", ID, struct session_view, id, .required = true),
    FIELD("device", TEXT, struct session_view, device, .always = true),
    FIELD("address", TEXT, struct session_view, address, .always = true),
    FIELD("createdAt", TIME, struct session_view, created_at, .required = true),
    FIELD("lastUsedAt", TIME, struct session_view, used_at, .required = true,
          .doc = "when it began or was last refreshed"),
    FIELD("current", FLAG, struct session_view, current, .doc = "the one that asks"),
    { 0 },
};

static struct session_view view(const struct session *session, const struct request *req)
{
    return (struct session_view){
        .id = session->doc.id,
        .device = session->device,
        .address = session->address,
        .created_at = session->created_at,
        .used_at = session->used_at,
        .current = text_equal(session->doc.id, req->caller->session_id),
    };
}

static struct response *list(struct request *req)
{
    const struct session_service *service = req->service;
    const struct user *user = user_get(&req->ctx, service->users, req->caller->user_id);
    struct list sessions;
    if (!user || !session_list(&req->ctx, service->sessions, user, &sessions))
        return NULL;
    const struct session *items = sessions.items;
    struct session_view *views = arena_array(&req->ctx.arena, struct session_view, sessions.count + 1);
    for (size_t i = 0; i < sessions.count; i++)
        views[i] = view(&items[i], req);
    return respond_list(req, "success", session_view_fields, views, sizeof *views, sessions.count);
}

static struct response *end(struct request *req)
{
    const struct session_service *service = req->service;
    const struct session *session = session_get(&req->ctx, service->sessions, request_param(req, "id"));
    if (!session)
        return NULL;
    if (session->revoked_at || !text_equal(session->user_id, req->caller->user_id))
        return ctx_fail(&req->ctx, ERROR_NOT_FOUND, "session not found");
    if (!deed_begin(req, service->sessions->audit->vault, "session.ended", NULL) ||
        !session_end(&req->ctx, service->sessions, session->doc.id))
        return NULL;
    return respond(req, "the session has ended", NULL, NULL);
}

const struct route session_routes[] = {
    { GET, "/sessions", list, SIGNED_IN, .out = session_view_fields,
      .summary = "Where this user is signed in: the newest hundred, as an array" },
    { DELETE, "/sessions/{id}", end, SIGNED_IN, .summary = "Ends a session of this user" },
    { 0 },
};
