/* Services that end at a NATS subject. */
#include "config/kong.h"

#include "base/text.h"
#include "subject/nats_subject.h"

#include <string.h>

bool kong_nats_read(struct kong_reader *reader, const struct node *url, const char *field, struct kong_service *service)
{
    struct faults *faults = reader->faults;
    const char *why;
    if (url->kind != NODE_SCALAR || !text_starts(url->text, "nats://"))
        return false;
    service->subject = nats_subject_parse(faults->arena, url->text + strlen("nats://"), &why);
    if (!service->subject)
        fault(faults, url->line, field, "its subject: %s", why);
    return true;
}

/* Nobody is a member of it: it stands in no list, and says only that there is no other host. */
void kong_nats_link(struct kong_reader *reader, struct kong_service *service)
{
    service->upstream = arena_new(reader->faults->arena, struct kong_upstream);
    service->upstream->name = nats_subject_text(service->subject);
}

/* {1} is the first group of an expression, whether or not it has a name. */
static bool path_says(const struct kong_path *path, const char *name)
{
    int64_t number;
    if (!path->pattern)
        return false;
    if (text_number(name, PATTERN_GROUPS_MAX, &number))
        return number && (size_t)number <= pattern_groups(path->pattern);
    return pattern_group(path->pattern, name);
}

static void check_param(struct kong_reader *reader, const struct kong_route *route, const char *name)
{
    const char *subject = nats_subject_text(route->service->subject);
    if (!route->paths.count)
        fault(reader->faults, route->line, "routes.paths", "is required: it says what {%s} of nats://%s is", name,
              subject);
    for (size_t i = 0; i < route->paths.count; i++)
        if (!path_says(&route->ways[i], name))
            fault(reader->faults, route->line, "routes.paths",
                  "\"%s\" does not say what {%s} of nats://%s is: /.../{%s} does, and ~/.../(?<%s>[^/]+)$",
                  route->paths.items[i], name, subject, name, name);
}

void kong_nats_link_route(struct kong_reader *reader, const struct kong_route *route)
{
    const char *name;
    if (!route->service || !route->service->subject)
        return;
    for (size_t i = 0; (name = nats_subject_param(route->service->subject, i)); i++)
        check_param(reader, route, name);
}
