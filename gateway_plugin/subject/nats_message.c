#include "subject/nats_message.h"

#include "base/catalogue.h"
#include "contract/subjects.h"
#include "exchange/forward_rules.h"
#include "subject/nats_fields.h"

#include <ctype.h>
#include <string.h>

enum { MESSAGE_MAX = 1 << 20, OWN_HEADERS = 3, HEADERS_ROOM = HEADERS_MAX + 32 };

static bool named(const char *name, size_t size, const char *lower)
{
    return size == strlen(lower) && same_text(name, lower, size);
}

/* Of the connection to a member, or NATS' own words. */
static bool is_left_out(const char *name, size_t size)
{
    static const char *const names[] = { "host",   "content-length", "connection", "upgrade",
                                         "status", "description",    NULL };
    for (const char *const *each = names; *each; each++)
        if (named(name, size, *each))
            return true;
    return size >= 5 && same_text(name, "nats-", 5);
}

/* One line of the head that forward.c wrote: NAME: VALUE. */
static bool add_line(struct pair *pair, char *line, char *end)
{
    char *colon = memchr(line, ':', (size_t)(end - line));
    if (!colon || end - colon < 2 || is_left_out(line, (size_t)(colon - line)))
        return false;
    *colon = *end = 0;
    *pair = (struct pair){ line, colon + 2 };
    return true;
}

/* Cuts the head into pairs, where it lies; the request line is *line. */
static size_t cut_head(h2o_iovec_t head, struct pair *pairs, char **line)
{
    char *at = head.base, *stop = head.base + head.len;
    size_t count = 0;
    *line = at;
    for (char *end; at < stop && (end = memmem(at, (size_t)(stop - at), "\r\n", 2)) && end > at; at = end + 2) {
        if (at == *line)
            *end = 0;
        else if (count < HEADERS_ROOM && add_line(&pairs[count], at, end))
            count++;
    }
    return count;
}

/* METHOD TARGET HTTP/1.1 */
static void cut_line(char *line, char **target)
{
    *target = strchr(line, ' ');
    *(*target)++ = 0;
    *strchr(*target, ' ') = 0;
}

static const char *make_data(const struct exchange *x, const struct address_fields *fields, struct arena *arena,
                             struct bus_message *out, bool *merged)
{
    struct buf data = BUF(arena);
    out->data = x->req->entity.base ? x->req->entity.base : "";
    out->size = x->req->entity.len;
    if (!fields->count)
        return NULL;
    enum merge merge = address_fields_merge(fields, out->data, out->size, &data);
    if (merge == MERGE_BAD)
        return MESSAGE("the body is not valid JSON");
    *merged = merge == MERGED;
    if (*merged) {
        out->data = data.data;
        out->size = data.size;
    }
    return NULL;
}

static void add_param(struct params *params, const struct exchange *x, const char *name)
{
    h2o_iovec_t value;
    if (params->count < PARAMS_MAX && exchange_capture(x, name, &value) && value.len)
        params->items[params->count++] = (struct param){ name, value.base, value.len };
}

/* What the path of the route has caught: by name, and for the subject by number too. */
static void read_params(const struct exchange *x, const struct nats_subject *subject, struct params *params)
{
    const char *name;
    size_t group;
    for (size_t i = 0; x->pattern && (name = pattern_name(x->pattern, i, &group)); i++)
        add_param(params, x, name);
    for (size_t i = 0; (name = nats_subject_param(subject, i)); i++)
        if (isdigit((unsigned char)*name))
            add_param(params, x, name);
}

static const char *refuse(int *status, int code, const char *message)
{
    *status = code;
    return message;
}

const char *nats_message_make(struct exchange *x, struct arena *arena, char *scratch, struct bus_message *out,
                              int *status)
{
    const struct nats_subject *subject = x->route->service->subject;
    struct member nobody = { .name = "nats" }; /* whom no secret is shown to */
    struct params params = { 0 };
    struct address_fields fields;
    struct buf name = BUF(arena);
    struct pair *pairs = arena_array(arena, struct pair, HEADERS_ROOM + OWN_HEADERS + 1);
    char *line, *target;
    bool merged = false;
    if (x->req->entity.len > MESSAGE_MAX)
        return refuse(status, 413, "the body is too large: a NATS service takes 1 MiB");
    size_t count = cut_head(forward_request(x, &nobody, scratch, BLOCK_SIZE), pairs, &line);
    cut_line(line, &target);
    const char *query = strchr(target, '?');
    read_params(x, subject, &params);
    if (!nats_subject_write(subject, &params, &name))
        return refuse(status, 400, "a part of the path cannot stand in the service's subject");
    if (!address_fields_read(&fields, arena, subject, &params, query ? query + 1 : "", query ? strlen(query + 1) : 0))
        return refuse(status, 400, "the query has too many fields, or escapes that say nothing");
    const char *fault = make_data(x, &fields, arena, out, &merged);
    if (fault)
        return refuse(status, 400, fault);
    pairs[count++] = (struct pair){ HEADER_METHOD, line };
    pairs[count++] = (struct pair){ HEADER_PATH, target };
    if (merged)
        pairs[count++] = (struct pair){ HEADER_FIELDS, address_fields_names(&fields) };
    out->subject = name.data;
    out->headers = pairs;
    return NULL;
}
