/* How the members of an upstream are, and the operator's word on it. */
#include "admin/edge_admin_parts.h"

#include "member/balancer.h"
#include "base/clock.h"
#include "base/text.h"

#include <arpa/inet.h>

static const struct kong_upstream *upstream_named(const struct admin *admin)
{
    const char *name = admin->names[0];
    for (const struct kong_upstream *row = admin->config->upstreams; row; row = row->next)
        if (strcmp(row->name, name) == 0 || strcmp(row->id, name) == 0)
            return row;
    return NULL;
}

/* "127.0.0.1", and its port. */
static int address_parts(const struct address *address, char ip[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *four = (const struct sockaddr_in *)&address->socket;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->socket;
    bool is_six = address->socket.ss_family == AF_INET6;
    inet_ntop(address->socket.ss_family, is_six ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr, ip,
              INET6_ADDRSTRLEN);
    return ntohs(is_six ? six->sin6_port : four->sin_port);
}

/* What is said of each member of a target, and of all of them. */
struct page {
    const struct admin *admin;
    const struct kong_upstream *upstream;
    const struct kong_target *target;
    json_t *list, *addresses;
    int64_t total, available, requests, failures;
    bool off;
};

static void add_address(struct page *page, const struct member *member, int64_t weight)
{
    char ip[INET6_ADDRSTRLEN] = "";
    const char *state = weight ? member_state(member) : "HEALTHCHECKS_OFF";
    int port = address_parts(&member->address, ip);
    bool out = strcmp(state, "UNHEALTHY") == 0;
    page->total += weight;
    page->available += out ? 0 : weight;
    page->off = strcmp(state, "HEALTHCHECKS_OFF") == 0;
    page->requests += member_requests(member);
    page->failures += member_failed(member);
    json_array_append_new(page->addresses, json_pack("{s:s,s:i,s:s,s:I}", "ip", ip, "port", port, "health", state,
                                                     "weight", (json_int_t)weight));
}

static const char *health_of(const struct page *page)
{
    if (!json_array_size(page->addresses))
        return "DNS_ERROR";
    if (page->off)
        return "HEALTHCHECKS_OFF";
    return page->available ? "HEALTHY" : "UNHEALTHY";
}

/* One entry; `instance`: of discovery's, else "". */
static void put_entry(struct page *page, const char *name, const char *instance)
{
    const char *health = health_of(page);
    json_t *data = json_pack("{s:o,s:I,s:{s:I,s:I,s:I}}", "addresses", page->addresses, "nodeWeight",
                             (json_int_t)page->target->weight, "weight", "total", (json_int_t)page->total, "available",
                             (json_int_t)page->available, "unavailable", (json_int_t)(page->total - page->available));
    json_t *one = json_pack("{s:s,s:s,s:s,s:I,s:{s:s,s:s},s:s,s:I,s:I,s:I,s:o}", "id", page->target->id, "target", name,
                            "health", health, "weight", (json_int_t)page->target->weight, "upstream", "id",
                            page->upstream->id, "name", page->upstream->name, "instance", instance, "requests",
                            (json_int_t)page->requests, "failures", (json_int_t)page->failures, "created_at",
                            (json_int_t)page->admin->config->since_ms / 1000, "data", data);
    json_array_append_new(page->list, one);
    page->addresses = json_array();
    page->total = page->available = page->requests = page->failures = 0;
    page->off = false;
}

static bool found_by_nats(const struct kong_target *target)
{
    return text_starts(target->target, "nats:");
}

static void look_at_member(void *self, struct member *member, int64_t weight)
{
    struct page *page = self;
    if (strcmp(member->target, page->target->target) != 0)
        return;
    add_address(page, member, weight);
    /* Each replica is an entry of its own. */
    if (found_by_nats(page->target))
        put_entry(page, member->name, member->id);
}

/* A target that stands twice in a file is one. */
static bool first_of_its_name(const struct kong_upstream *upstream, const struct kong_target *target)
{
    const struct kong_target *one = upstream->targets;
    while (strcmp(one->target, target->target) != 0)
        one = one->next;
    return one == target;
}

json_t *admin_members(const struct admin *admin, const struct kong_upstream *upstream)
{
    struct page page = { .admin = admin, .upstream = upstream, .list = json_array(), .addresses = json_array() };
    for (page.target = upstream->targets; page.target; page.target = page.target->next) {
        size_t before = json_array_size(page.list);
        if (!first_of_its_name(upstream, page.target))
            continue;
        upstream_each(upstream->live, look_at_member, &page);
        if (!found_by_nats(page.target) || json_array_size(page.list) == before)
            put_entry(&page, page.target->target, "");
    }
    json_decref(page.addresses);
    return page.list;
}

/* ?balancer_health=1: can any of them be asked? */
static const char *balancer_health(const struct kong_upstream *upstream, const json_t *list)
{
    double total = 0, available = 0;
    size_t i;
    const json_t *one;
    bool off = json_array_size(list);
    json_array_foreach(list, i, one)
    {
        const json_t *weight = json_object_get(json_object_get(one, "data"), "weight");
        total += (double)json_integer_value(json_object_get(weight, "total"));
        available += (double)json_integer_value(json_object_get(weight, "available"));
        off = off && text_equal(json_string_value(json_object_get(one, "health")), "HEALTHCHECKS_OFF");
    }
    if (off)
        return "HEALTHCHECKS_OFF";
    return available > 0 && available * 100 >= total * (double)upstream->balance.threshold ? "HEALTHY" : "UNHEALTHY";
}

void admin_upstream_health(struct admin *admin)
{
    const struct kong_upstream *upstream = upstream_named(admin);
    if (!upstream) {
        admin_refuse(admin, 404, "no such upstream");
        return;
    }
    json_t *list = admin_members(admin, upstream);
    const char *node = admin->edge->shared->node_id;
    if (text_equal(admin_query(admin, "balancer_health"), "1")) {
        admin->json = json_pack("{s:s,s:{s:s,s:s}}", "node_id", node, "data", "id", upstream->id, "health",
                                balancer_health(upstream, list));
        json_decref(list);
        return;
    }
    admin->json = json_pack("{s:s,s:I,s:o,s:n}", "node_id", node, "total", (json_int_t)json_array_size(list), "data",
                            list, "next");
}

/* PUT /upstreams/{upstream}/targets/{target}[/{address}]/(healthy|unhealthy) */

struct word {
    const struct kong_upstream *upstream;
    const char *target, *address; /* address NULL: all of the target's */
    bool healthy;
    size_t held;
};

static bool is_target(const struct word *word, const struct member *member)
{
    if (strcmp(member->target, word->target) == 0 || strcmp(member->name, word->target) == 0)
        return true;
    for (const struct kong_target *one = word->upstream->targets; one; one = one->next)
        if (strcmp(one->target, member->target) == 0 && strcmp(one->id, word->target) == 0)
            return true;
    return false;
}

static bool is_address(const struct word *word, const struct member *member)
{
    char ip[INET6_ADDRSTRLEN] = "", with_port[INET6_ADDRSTRLEN + 10];
    int port = address_parts(&member->address, ip);
    snprintf(with_port, sizeof with_port, strchr(ip, ':') ? "[%s]:%d" : "%s:%d", ip, port);
    return !word->address || strcmp(word->address, ip) == 0 || strcmp(word->address, with_port) == 0;
}

static void hold(void *self, struct member *member, int64_t weight)
{
    struct word *word = self;
    (void)weight;
    if (!is_target(word, member) || !is_address(word, member))
        return;
    member_hold(member, word->healthy, clock_ms());
    word->held++;
}

static void take_word(struct admin *admin, bool healthy)
{
    if (admin_from_page(admin))
        return;
    struct word word = {
        .upstream = upstream_named(admin), .target = admin->names[1], .address = admin->names[2], .healthy = healthy
    };
    if (word.upstream)
        upstream_each(word.upstream->live, hold, &word);
    if (word.held)
        admin->status = 204;
    else
        admin_refuse(admin, 404, "no such upstream, or no such target of it");
}

void admin_target_healthy(struct admin *admin)
{
    take_word(admin, true);
}

void admin_target_unhealthy(struct admin *admin)
{
    take_word(admin, false);
}
