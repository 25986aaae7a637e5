/*
 * From the target of a request to its route: what is matched is what is
 * forwarded, and nobody behind the edge can read it differently.
 */
#include "config/kong_path.h"
#include "fuzz.h"
#include "client/head_check.h"
#include "exchange/paths.h"
#include "router/router.h"
#include "router/router_rank.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { ROUTES = 8 };

static bool is_dots(const char *segment, size_t size)
{
    return (size == 1 && segment[0] == '.') || (size == 2 && segment[0] == '.' && segment[1] == '.');
}

static void check_segments(const char *text, size_t size)
{
    must_hold(size && text[0] == '/', "a path begins with a slash");
    for (size_t at = 0; at < size;) {
        const char *next = memchr(text + at + 1, '/', size - at - 1);
        size_t stop = next ? (size_t)(next - text) : size;
        must_hold(stop > at + 1 || stop == size, "no empty segment but the last");
        must_hold(!is_dots(text + at + 1, stop - at - 1), "no segment of dots");
        at = stop;
    }
}

static unsigned escaped(const char *at)
{
    char digits[3] = { at[1], at[2], 0 };
    return (unsigned)strtoul(digits, NULL, 16);
}

static void check_path_bytes(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        must_hold(c > ' ' && c < 0x7f && !strchr("\\#?\"<>^`{|}", c), "no byte that is read in two ways");
        if (c != '%')
            continue;
        must_hold(size - i > 2 && isxdigit((unsigned char)text[i + 1]) && isxdigit((unsigned char)text[i + 2]),
                  "an escape is whole");
        must_hold(!islower((unsigned char)text[i + 1]) && !islower((unsigned char)text[i + 2]), "in capitals");
        unsigned stands_for = escaped(text + i);
        must_hold(stands_for >= ' ' && stands_for != 0x7f && !strchr("/\\.-_~", (int)stands_for) &&
                      !(stands_for < 0x80 && isalnum((int)stands_for)),
                  "nothing is hidden behind an escape");
    }
}

static void check_normal(const struct path *path)
{
    must_hold(path->size <= path->total, "the query comes after the path");
    must_hold(path->size == path->total || path->text[path->size] == '?', "behind a question mark");
    check_segments(path->text, path->size);
    check_path_bytes(path->text, path->size);
    for (size_t i = path->size; i < path->total; i++)
        must_hold(path->text[i] > ' ' && path->text[i] != 0x7f && path->text[i] != '#', "the query is plain too");
}

/* An escape that had to stay is looked at again, but is written as it is. */
static void check_stays(const struct path *path)
{
    struct path again;
    enum path_form form = path_look(path->text, path->total, &again);
    must_hold(form != PATH_BAD, "a normal form is taken");
    must_hold(form == PATH_NORMAL || memchr(path->text, '%', path->size), "as it is, but for escapes");
    char *out = malloc(path->total * 3 + 1);
    if (!out)
        abort();
    must_hold(path_rewrite(path->text, path->total, out, &again), "and can be written");
    must_hold(again.size == path->size && again.total == path->total && memcmp(out, path->text, path->total) == 0,
              "the same again");
    free(out);
}

/* The path in its normal form, for the caller to free; NULL where it is refused. */
static char *normal_form(const char *target, size_t size, struct path *path)
{
    enum path_form form = path_look(target, size, path);
    char *out = malloc(size * 3 + 1);
    if (!out)
        abort();
    if (form == PATH_NORMAL) {
        struct path same;
        must_hold(path_rewrite(target, size, out, &same), "what is normal can be written");
        must_hold(same.total == path->total && memcmp(out, target, size) == 0, "as it is");
        memcpy(out, path->text, path->total);
        path->text = out;
        return out;
    }
    if (form == PATH_REWRITE && path_rewrite(target, size, out, path))
        return out;
    free(out);
    return NULL;
}

/* A request that is looked for. */
struct question {
    const struct path *path;
    const char *authority;
    unsigned method;
    bool tls;
};

/* Does a path of a route match, by what the header says? */
static enum pattern_answer matches(const struct kong_path *way, const struct path *path)
{
    if (way->kind == ROUTE_PATTERN)
        return pattern_match(way->pattern, path->text, path->size, NULL);
    if (way->size > path->size || memcmp(way->text, path->text, way->size) != 0)
        return PATTERN_NO;
    bool ends = way->size == path->size ||
                (way->kind == ROUTE_PREFIX && (way->text[way->size - 1] == '/' || path->text[way->size] == '/'));
    return ends ? PATTERN_YES : PATTERN_NO;
}

static bool is_open(const struct kong_route *route, const struct question *question)
{
    char room[HOST_ROOM];
    struct host_asked host = host_asked_read(question->authority, strlen(question->authority), question->tls, room);
    return route->methods & question->method && (question->tls ? route->tls : route->plain) &&
           (!route->hosts.count || host_rule_matches(route->host_rules, &host));
}

/* The slow way: every path of every route. */
static enum pattern_answer search(const struct kong_route *routes, const struct question *question, uint64_t *best)
{
    enum pattern_answer found = PATTERN_NO;
    *best = 0;
    for (const struct kong_route *route = routes; route; route = route->next) {
        enum pattern_answer answer = is_open(route, question) ? matches(route->ways, question->path) : PATTERN_NO;
        if (answer == PATTERN_UNDECIDED)
            return answer;
        uint64_t rank = router_rank(route, route->ways);
        if (answer == PATTERN_YES && (found == PATTERN_NO || rank > *best)) {
            found = answer;
            *best = rank;
        }
    }
    return found;
}

static void check_match(struct arena *arena, struct kong_route *routes, const struct question *question)
{
    const struct router *router = router_create(arena, routes, NULL, NULL);
    const struct path *path = question->path;
    struct match match = { 0 };
    uint64_t rank;
    struct asked asked = { .method = question->method,
                           .tls = question->tls,
                           .path = path->text,
                           .size = path->size,
                           .authority = question->authority,
                           .authority_size = strlen(question->authority) };
    enum pattern_answer wanted = search(routes, question, &rank);
    enum route_answer found = router_match(router, &asked, &match);
    if (wanted == PATTERN_UNDECIDED || found == ROUTE_UNDECIDED || found == ROUTE_WANTS_TLS)
        return;
    must_hold((found == ROUTE_FOUND) == (wanted == PATTERN_YES), "there is a route where there is one");
    if (found != ROUTE_FOUND)
        return;
    /* Which of two equal ones is not asked: the first in the file. */
    must_hold(is_open(match.route, question) && router_rank(match.route, match.route->ways) == rank,
              "the one that comes first in Kong's order wins");
    must_hold(match.prefix <= path->size, "it matched no more than there is");
    must_hold(match.pattern || match.prefix == path->size || path->text[match.prefix] == '/',
              "whole segments: what is left is a path");
    for (size_t i = 0; match.pattern && i < match.captures.count; i++)
        must_hold(match.captures.items[i].end <= path->size, "and captured what is there");
}

/* A host, a path: as a file has them. */
static bool read_texts(struct arena *arena, struct pattern **patterns, struct kong_route *route, const char *host,
                       const char *path)
{
    const char *why;
    route->ways = arena_new(arena, struct kong_path);
    route->paths = (struct texts){ arena_array(arena, const char *, 1), 1 };
    route->paths.items[0] = path;
    route->host_rules = arena_new(arena, struct host_rule);
    route->hosts = (struct texts){ arena_array(arena, const char *, 1), *host != 0 };
    route->hosts.items[0] = host;
    return (!*host || host_rule_read(arena, host, route->host_rules)) &&
           kong_path_read(patterns, arena, path, false, route->ways, &why);
}

/* Lines of routes: a byte of methods, a byte of protocols, a host, a path. */
static struct kong_route *read_routes(struct arena *arena, struct pattern **patterns, struct input *input,
                                      char *texts[2 * ROUTES])
{
    struct kong_route *first = NULL, **last = &first;
    size_t count = input_byte(input) % (ROUTES + 1);
    for (size_t i = 0; i < count; i++) {
        struct kong_route *route = arena_new(arena, struct kong_route);
        unsigned methods = input_byte(input), protocols = input_byte(input);
        texts[2 * i] = input_text(input);
        texts[2 * i + 1] = input_text(input);
        route->methods = methods ? methods : METHOD_ALL;
        route->plain = protocols != 1;
        route->tls = protocols != 2;
        if (!read_texts(arena, patterns, route, texts[2 * i], texts[2 * i + 1]))
            continue;
        *last = route;
        last = &route->next;
    }
    return first;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    struct arena arena = { 0 };
    struct pattern *patterns = NULL;
    char *texts[2 * ROUTES] = { NULL }, *authority;
    unsigned method = 1u << input_byte(&input) % 7, tls = input_byte(&input) & 1;
    authority = input_text(&input);
    if (!is_authority(authority, strlen(authority)))
        *authority = 0;
    struct kong_route *routes = read_routes(&arena, &patterns, &input, texts);
    size_t left = input_left(&input);
    char *target = input_copy(input.at, left);
    struct path path;
    char *normal = normal_form(target, left, &path);
    if (normal) {
        check_normal(&path);
        check_stays(&path);
        check_match(&arena, routes, &(struct question){ &path, authority, method, tls });
    }
    free(normal);
    free(target);
    free(authority);
    for (size_t i = 0; i < 2 * ROUTES; i++)
        free(texts[i]);
    patterns_destroy(patterns);
    arena_free(&arena);
    return 0;
}
