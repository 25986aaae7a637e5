#include "transform/cors_origin.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH_LIMIT = 10000, ORIGIN_MAX = 512 };

struct origin_pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

/* What PCRE2 keeps lives with the configuration. */
static void *take(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void leave(void *memory, void *arena)
{
    (void)memory;
    (void)arena;
}

static bool is_plain(const char *text)
{
    return !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:/-")];
}

static struct origin_pattern *compile(struct arena *arena, const char *text)
{
    int fault;
    size_t at;
    pcre2_general_context *memory = pcre2_general_context_create(take, leave, arena);
    pcre2_compile_context *context = memory ? pcre2_compile_context_create(memory) : NULL;
    if (!context)
        abort();
    struct origin_pattern *pattern = arena_new(arena, struct origin_pattern);
    pattern->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_ENDANCHORED, &fault,
                                  &at, context);
    pattern->limits = pcre2_match_context_create(memory);
    if (!pattern->limits)
        abort();
    pcre2_set_match_limit(pattern->limits, MATCH_LIMIT);
    return pattern->code ? pattern : NULL;
}

bool cors_origin_valid(const char *text)
{
    struct arena arena = { 0 };
    bool out = strcmp(text, "*") == 0 || is_plain(text) || compile(&arena, text);
    arena_free(&arena);
    return out;
}

struct cors_origin cors_origin_make(struct arena *arena, const char *text)
{
    struct cors_origin out = { .text = text, .any = strcmp(text, "*") == 0, .by_host = !strchr(text, ':') };
    if (out.any)
        return out;
    if (!is_plain(text)) {
        out.pattern = compile(arena, text);
    } else if (!out.by_host) {
        struct sent_origin normal = sent_origin_read(text, strlen(text));
        out.text = arena_memdup(arena, normal.text, normal.size);
    }
    return out;
}

static bool ends(const struct sent_origin *sent, const char *scheme, const char *port)
{
    size_t size = strlen(scheme), port_size = strlen(port);
    return sent->size > size + port_size && strncasecmp(sent->text, scheme, size) == 0 &&
           memcmp(sent->text + sent->size - port_size, port, port_size) == 0;
}

struct sent_origin sent_origin_read(const char *text, size_t size)
{
    struct sent_origin out = { .text = text, .host = text, .size = size, .host_size = size };
    const char *host = memmem(text, size, "://", 3);
    if (!host)
        return out;
    host += 3;
    if (ends(&out, "http://", ":80"))
        out.size -= 3;
    else if (ends(&out, "https://", ":443"))
        out.size -= 4;
    out.host = host;
    out.host_size = (size_t)(text + out.size - host);
    const char *stop = out.host_size && *host == '[' ? memchr(host, ']', out.host_size) : NULL;
    const char *colon = memchr(stop ? stop : host, ':', out.host_size - (stop ? (size_t)(stop - host) : 0));
    if (colon)
        out.host_size = (size_t)(colon - host);
    return out;
}

static bool match(const struct origin_pattern *pattern, const char *text, size_t size)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data)
        abort();
    int found = size > ORIGIN_MAX ? PCRE2_ERROR_NOMATCH
                                  : pcre2_match(pattern->code, (PCRE2_SPTR)text, size, 0, 0, data, pattern->limits);
    pcre2_match_data_free(data);
    return found >= 0;
}

bool cors_origin_fits(const struct cors_origin *origin, const struct sent_origin *sent)
{
    const char *text = origin->by_host ? sent->host : sent->text;
    size_t size = origin->by_host ? sent->host_size : sent->size;
    if (origin->any)
        return true;
    if (origin->pattern)
        return match(origin->pattern, text, size);
    return strlen(origin->text) == size && memcmp(origin->text, text, size) == 0;
}
