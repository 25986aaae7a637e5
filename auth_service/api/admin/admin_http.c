#include "admin/admin_http.h"

#include "admin/admin.h"
#include "audit/deed.h"

struct roles_in {
    struct list roles;
};

static const struct field roles_in_fields[] = {
    FIELD("roles", LIST, struct roles_in, roles, .item = TEXT, .required = true, .max = 16,
          .doc = "codes: all the roles the user has from now on; a disabled one only where the user has it already"),
    { 0 },
};

struct status_in {
    int status;
};

static const struct field status_in_fields[] = {
    FIELD("status", ENUM, struct status_in, status, .required = true, .values = user_statuses_settable),
    { 0 },
};

static struct response *users(struct request *req)
{
    const struct signin *signin = req->service;
    size_t limit;
    const char *cursor;
    struct page page;
    const struct users_asked asked = { request_query(req, "role"), request_query(req, "status") };
    if (!request_page(req, &limit, &cursor) || !admin_users(&req->ctx, signin->users, &asked, limit, cursor, &page))
        return NULL;
    return respond_page(req, "success", user_admin_fields, page.items, sizeof(struct user_view), page.count, page.next);
}

static struct response *set_roles(struct request *req)
{
    const struct signin *signin = req->service;
    struct roles_in in = { 0 };
    if (!request_body(req, roles_in_fields, &in) ||
        !deed_begin(req, signin->users->vault, "user.roles", deed_list(&req->ctx, &in.roles)))
        return NULL;
    const struct user_view *view = admin_set_roles(&req->ctx, signin->users, req->caller->user_id,
                                                   request_param(req, "id"), &in.roles);
    return view ? respond(req, "success", user_admin_fields, view) : NULL;
}

static struct response *set_status(struct request *req)
{
    const struct signin *signin = req->service;
    struct status_in in = { 0 };
    if (!request_body(req, status_in_fields, &in) ||
        !deed_begin(req, signin->users->vault, "user.status", user_statuses[in.status]))
        return NULL;
    const struct user_view *view = admin_set_status(&req->ctx, signin, req->caller->user_id, request_param(req, "id"),
                                                    (enum user_status)in.status);
    return view ? respond(req, "success", user_admin_fields, view) : NULL;
}

static struct response *delete (struct request *req)
{
    const struct signin *signin = req->service;
    if (!deed_begin(req, signin->users->vault, "user.deleted", NULL) ||
        !admin_delete(&req->ctx, signin, req->caller->user_id, request_param(req, "id")))
        return NULL;
    return respond(req, "the account is deleted", NULL, NULL);
}

const struct route admin_routes[] = {
    { GET, "/users", users, SIGNED_IN, .role = ROLE_ADMIN, .out = user_admin_fields,
      .summary = "All users, oldest first; ?role= and ?status= leave those that have it" },
    { PUT, "/users/{id}/roles", set_roles, SIGNED_IN, .role = ROLE_ADMIN, .in = roles_in_fields,
      .out = user_admin_fields, .summary = "Gives a user these roles and no others" },
    { PUT, "/users/{id}/status", set_status, SIGNED_IN, .role = ROLE_ADMIN, .in = status_in_fields,
      .out = user_admin_fields, .summary = "Suspends a user, which ends all their sessions, or restores them" },
    { DELETE, "/users/{id}", delete, SIGNED_IN, .role = ROLE_ADMIN,
      .summary = "Deletes an account: nothing is left that tells whose it was (docs/administration.md)" },
    { 0 },
};
