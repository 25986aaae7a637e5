#include "audit/audit_http.h"

#include "base/clock.h"
#include "role/role.h"

static const struct field shown_fields[] = {
    FIELD("id", ID, struct audit_entry, doc.id, .required = true),
    FIELD("at", TIME, struct audit_entry, at, .required = true),
    FIELD("actor", ENUM, struct audit_entry, actor, .values = deed_actors,
          .doc = "a user, the command line, or somebody who did not show who they are"),
    FIELD("by", ID, struct audit_entry, by, .always = true, .doc = "a user's id; null: of no account"),
    FIELD("session", ID, struct audit_entry, session, .always = true),
    FIELD("action", TEXT, struct audit_entry, action, .required = true),
    FIELD("target", TEXT, struct audit_entry, target, .always = true,
          .doc = "the id of what it was done to: a user, a session, a role, an API key, a signing key"),
    FIELD("detail", TEXT, struct audit_entry, detail, .always = true),
    FIELD("address", TEXT, struct audit_entry, address, .always = true),
    FIELD("device", TEXT, struct audit_entry, device, .always = true),
    { 0 },
};

/* 0 where it is not asked for. */
static bool query_time(struct request *req, const char *name, int64_t *out)
{
    const char *text = request_query(req, name);
    *out = 0;
    if (!text || clock_parse(text, out))
        return true;
    ctx_violation(&req->ctx, name, "type", "%s must be a time as RFC 3339 writes it", name);
    return false;
}

static struct response *list(struct request *req)
{
    struct audit_asked asked = { request_query(req, "by"), request_query(req, "target"), request_query(req, "action"),
                                 0, 0 };
    bool times = query_time(req, "since", &asked.since);
    times = query_time(req, "until", &asked.until) && times;
    if (!times)
        return NULL;
    size_t limit;
    const char *cursor;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !audit_list(&req->ctx, req->service, &asked, limit, cursor, &page))
        return NULL;
    return respond_page(req, "success", shown_fields, page.items, sizeof(struct audit_entry), page.count, page.next);
}

const struct route audit_routes[] = {
    { GET, "/audit", list, SIGNED_IN, .role = ROLE_ADMIN, .out = shown_fields,
      .summary =
          "Who did what from where, newest first; ?by=, ?target= and ?action= leave those of an id, an id and an "
          "action, ?since= and ?until= those of a time" },
    { 0 },
};
