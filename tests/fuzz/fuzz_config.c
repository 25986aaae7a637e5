/* The edge's configuration: taken whole and linked, or refused with a line for every fault. */
#include "config/config.h"
#include "fuzz.h"
#include "router/router.h"

#include <stdlib.h>
#include <string.h>

static int count_lines(const char *text, size_t size)
{
    int lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80; /* YAML has further line ends */
    return lines + 1;
}

static void check_faults(struct faults *faults, int lines)
{
    size_t shown = 0;
    int before = 0;
    must_hold(faults->count > 0, "a refusal has a fault");
    for (const struct fault *one = faults->first; one; one = one->next) {
        must_hold(one->line >= 1 && one->line <= lines, "with a line of the file");
        must_hold(one->line >= before, "in the order of the file");
        must_hold(one->field && one->reason && *one->reason, "a field and a reason");
        before = one->line;
        shown++;
    }
    must_hold(shown == (faults->count < FAULTS_SHOWN ? faults->count : FAULTS_SHOWN), "all of them, up to a bound");
    struct buf out = BUF(faults->arena);
    faults_write(faults, &out);
    must_hold(out.size > 0, "and they can be written");
}

static void check_routes(const struct config *config)
{
    for (const struct kong_route *route = config->routes; route; route = route->next) {
        must_hold(route->service && route->service->upstream && route->chain, "a route leads somewhere");
        must_hold(route->methods && (route->plain || route->tls), "and can be reached");
        for (size_t i = 0; i < route->paths.count; i++) {
            const struct kong_path *way = &route->ways[i];
            must_hold(way->text && strlen(way->text) == way->size, "each of its paths was read");
            must_hold((way->kind == ROUTE_PATTERN) == (way->pattern != NULL), "an expression is one that can be tried");
        }
        for (size_t i = 0; i < route->hosts.count; i++)
            must_hold(route->host_rules[i].size, "so were its hosts");
    }
}

static bool no_header(const void *self, const char *name, bool (*test)(const void *arg, const char *value, size_t size),
                      const void *arg)
{
    (void)self;
    (void)name;
    (void)test;
    (void)arg;
    return false;
}

/* Routes that any request of their path may take. */
static void check_paths(const struct config *config)
{
    for (const struct kong_route *route = config->routes; route; route = route->next) {
        bool open = route->service->enabled && !route->hosts.count && !route->header_count && !route->snis.count;
        for (size_t i = 0; open && i < route->paths.count; i++) {
            const struct kong_path *way = &route->ways[i];
            struct match match;
            const char *method = route->method_names.count ? route->method_names.items[0] : "GET";
            struct asked asked = { .method = method_bit(method, strlen(method)),
                                   .method_name = method,
                                   .method_size = strlen(method),
                                   .tls = route->tls,
                                   .path = way->text,
                                   .size = way->size,
                                   .authority = "",
                                   .any_header = no_header };
            if (way->kind == ROUTE_PATTERN || way->text[0] != '/')
                continue;
            enum route_answer answer = router_match(config->router, &asked, &match);
            must_hold(answer != ROUTE_NONE, "by its own path");
            must_hold(answer != ROUTE_FOUND || match.prefix <= way->size, "and no further");
        }
    }
}

static void check_rest(const struct config *config)
{
    for (const struct kong_key *key = config->keys; key; key = key->next)
        must_hold(config_key(config, key->key) == key, "a consumer's key is found, and is no other's");
    for (const struct kong_plugin *plugin = config->plugins; plugin; plugin = plugin->next)
        must_hold(plugin->plugin && plugin->line >= 1, "a plugin is one that there is");
    for (const struct kong_upstream *upstream = config->upstreams; upstream; upstream = upstream->next)
        for (const struct kong_target *target = upstream->targets; target; target = target->next)
            must_hold(target->target && *target->target && target->weight >= 0, "a target is an address");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct faults faults = FAULTS(&arena, "fuzzed.yml");
    char *text = input_copy(data, size);
    struct config *config = config_read(&faults, text, size);
    int lines = count_lines(text, size);
    free(text); /* what was read does not point into it */
    if (config) {
        must_hold(!faults.count, "what is taken has no fault");
        check_routes(config);
        check_paths(config);
        check_rest(config);
        config_unref(config);
    } else {
        check_faults(&faults, lines);
    }
    arena_free(&arena);
    return 0;
}
