/*
 * The admin's side trusts whoever reaches it, and a page in the operator's
 * browser reaches what listens on loopback. What such a page could do is refused.
 */
#include "admin/edge_admin_parts.h"

#include <arpa/inet.h>

static const h2o_iovec_t *header_named(const h2o_req_t *req, const char *name)
{
    ssize_t at = h2o_find_header_by_str(&req->headers, name, strlen(name), -1);
    return at < 0 ? NULL : &req->headers.entries[at].value;
}

bool admin_from_page(struct admin *admin)
{
    if (!header_named(admin->req, "origin"))
        return false;
    admin_refuse(admin, 403, "not from a page");
    return true;
}

static bool on_loopback(const h2o_req_t *req)
{
    struct sockaddr_storage address;
    if (!req->conn->callbacks->get_sockname(req->conn, (struct sockaddr *)&address))
        return false;
    const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;
    return address.ss_family == AF_INET ? ntohl(four->sin_addr.s_addr) >> 24 == 127
                                        : address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* An address, or localhost: names that nobody else can make his own. */
static bool is_own_name(h2o_iovec_t authority)
{
    char host[64];
    struct in_addr four;
    const char *colon = memchr(authority.base, ':', authority.len);
    size_t size = colon ? (size_t)(colon - authority.base) : authority.len;
    if (authority.len && authority.base[0] == '[')
        return true;
    if (size >= sizeof host)
        return false;
    memcpy(host, authority.base, size);
    host[size] = 0;
    return strcasecmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &four) == 1;
}

bool admin_rebound(struct admin *admin)
{
    const h2o_req_t *req = admin->req;
    if (!header_named(req, "accept-encoding") || is_own_name(req->input.authority) || !on_loopback(req))
        return false;
    admin_refuse(admin, 421, "this listens on loopback: ask it by its address, or as localhost");
    return true;
}
