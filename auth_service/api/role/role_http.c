#include "role/role_http.h"

#include "audit/deed.h"

static const struct field shown_fields[] = {
    FIELD("id", ID, struct role, doc.id, .required = true),
    FIELD("code", TEXT, struct role, code, .required = true),
    FIELD("permissions", LIST, struct role, permissions, .item = TEXT, .always = true),
    FIELD("status", ENUM, struct role, status, .values = role_statuses),
    { 0 },
};

static struct response *list(struct request *req)
{
    const struct users *users = req->service;
    struct list roles;
    if (!roles_list(&req->ctx, users->store, &roles))
        return NULL;
    return respond_list(req, "success", shown_fields, roles.items, sizeof(struct role), roles.count);
}

static bool tell(struct request *req, const char *action, const char *code, const char *status,
                 const struct list *permissions)
{
    const struct users *users = req->service;
    return deed_begin(req, users->vault, action,
                      arena_printf(&req->ctx.arena, "%.40s %s %s", code, status, deed_list(&req->ctx, permissions)));
}

static struct response *create(struct request *req)
{
    const struct users *users = req->service;
    struct new_role in = { 0 };
    if (!request_body(req, new_role_fields, &in) || !tell(req, "role.created", in.code, "ACTIVE", &in.permissions))
        return NULL;
    const struct role *role = role_create(&req->ctx, users->announcer, users->store, &in);
    return role ? respond_created(req, "success", shown_fields, role) : NULL;
}

static struct response *change(struct request *req)
{
    const struct users *users = req->service;
    struct role_change in = { 0 };
    const char *code = request_param(req, "code");
    if (!request_body(req, role_change_fields, &in) ||
        !tell(req, "role.changed", code, role_statuses[in.status], &in.permissions))
        return NULL;
    const struct role *role = role_change(&req->ctx, users->announcer, users->store, code, &in);
    return role ? respond(req, "success", shown_fields, role) : NULL;
}

#define ADMIN SIGNED_IN, .role = ROLE_ADMIN, .out = shown_fields

const struct route role_routes[] = {
    { GET, "/roles", list, ADMIN, .summary = "All roles, and what each may" },
    { POST, "/roles", create, ADMIN, .in = new_role_fields, .summary = "Makes a role" },
    { PUT, "/roles/{code}", change, ADMIN, .in = role_change_fields,
      .summary =
          "Gives a role these permissions and no others, enables or disables it; holds everywhere within a second" },
    { 0 },
};
