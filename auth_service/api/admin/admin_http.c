#include "admin/admin_http.h"

#include "admin/admin.h"

struct roles_in {
    struct list roles;
};

static const struct field roles_in_fields[] = {
    FIELD("roles", LIST, struct roles_in, roles, .item = TEXT, .required = true, .max = 16,
          .doc = "codes: all the roles the user has from now on"),
    { 0 },
};

struct status_in {
    int status;
};

static const struct field status_in_fields[] = {
    FIELD("status", ENUM, struct status_in, status, .required = true, .values = user_statuses),
    { 0 },
};

static struct response *users(struct request *req)
{
    const struct signin *signin = req->service;
    size_t limit;
    const char *cursor;
    struct page page;
    if (!request_page(req, &limit, &cursor) || !admin_users(&req->ctx, signin->users, limit, cursor, &page))
        return NULL;
    return respond_page(req, "success", user_admin_fields, page.items, sizeof(struct user_view), page.count, page.next);
}

static struct response *set_roles(struct request *req)
{
    const struct signin *signin = req->service;
    struct roles_in in = { 0 };
    if (!request_body(req, roles_in_fields, &in))
        return NULL;
    const struct user_view *view = admin_set_roles(&req->ctx, signin->users, req->caller->user_id,
                                                   request_param(req, "id"), &in.roles);
    return view ? respond(req, "success", user_admin_fields, view) : NULL;
}

static struct response *set_status(struct request *req)
{
    struct status_in in = { 0 };
    if (!request_body(req, status_in_fields, &in))
        return NULL;
    const struct user_view *view = admin_set_status(&req->ctx, req->service, req->caller->user_id,
                                                    request_param(req, "id"), (enum user_status)in.status);
    return view ? respond(req, "success", user_admin_fields, view) : NULL;
}

const struct route admin_routes[] = {
    { GET, "/users", users, SIGNED_IN, .role = ROLE_ADMIN, .out = user_admin_fields,
      .summary = "All users, oldest first" },
    { PUT, "/users/{id}/roles", set_roles, SIGNED_IN, .role = ROLE_ADMIN, .in = roles_in_fields,
      .out = user_admin_fields, .summary = "Gives a user these roles and no others" },
    { PUT, "/users/{id}/status", set_status, SIGNED_IN, .role = ROLE_ADMIN, .in = status_in_fields,
      .out = user_admin_fields, .summary = "Suspends a user, which ends all their sessions, or restores them" },
    { 0 },
};
