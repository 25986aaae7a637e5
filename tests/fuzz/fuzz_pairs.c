/* What transformers and the cache read of clients and members: JSON objects, forms, parts, templates' results,
 * directives, codings. */
#include "caching/cache_rules.h"
#include "transform/compress.h"
#include "fuzz.h"
#include "transform/multipart.h"
#include "transform/template.h"

#include <stdlib.h>
#include <string.h>

static bool read_kind(struct pairs *pairs, struct arena *arena, enum pairs_kind kind, const char *data, size_t size)
{
    return kind == PAIRS_JSON   ? pairs_read_json(pairs, arena, data, size)
           : kind == PAIRS_FORM ? pairs_read_form(pairs, arena, data, size)
                                : pairs_read_multipart(pairs, arena, "B", data, size);
}

static void check_pairs(enum pairs_kind kind, const char *data, size_t size)
{
    struct arena arena = { 0 };
    struct pairs pairs, again;
    struct buf out = BUF(&arena);
    if (read_kind(&pairs, &arena, kind, data, size)) {
        must_hold(pairs.count <= PAIRS_MAX && !pairs.changed, "bounded, and as it was");
        for (size_t i = 0; i < pairs.count; i++)
            must_hold(pairs.items[i].raw >= data && pairs.items[i].raw + pairs.items[i].raw_size <= data + size,
                      "each is a part of it");
        pairs_remove(&pairs, "a");
        pairs_rename(&pairs, "b", "c");
        pairs_replace(&pairs, "d", kind == PAIRS_JSON ? "[1]" : "&=%");
        pairs_append(&pairs, "e", "2");
        pairs_add(&pairs, "f", "3");
        must_hold(!pairs_find(&pairs, "a") && !pairs_find(&pairs, "b") && pairs_find(&pairs, "e") &&
                      pairs_find(&pairs, "f"),
                  "it is changed");
        pairs_write(&pairs, &out);
        must_hold(read_kind(&again, &arena, kind, out.data, out.size), "what was written can be read");
        must_hold(again.count == pairs.count && !pairs_find(&again, "a") && pairs_find(&again, "e"),
                  "and says the same");
    }
    arena_free(&arena);
}

static void check_boundary(const char *type, size_t size)
{
    char boundary[BOUNDARY_MAX + 1];
    if (multipart_boundary(type, size, boundary))
        must_hold(*boundary && strlen(boundary) <= BOUNDARY_MAX && !strpbrk(boundary, "\r\n\""),
                  "it can stand in a body");
}

static const char *no_value(void *self, enum template_source source, const char *name)
{
    (void)self;
    (void)source;
    must_hold(strlen(name) < 128, "a name is bounded");
    return NULL;
}

static void check_template(const char *text)
{
    struct arena arena = { 0 };
    struct template_env env = { &arena, no_value, NULL };
    if (template_valid(text))
        must_hold(strlen(template_render(&env, text)) <= strlen(text), "nothing is added where nothing is known");
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    copy[size] = 0;
    check_pairs(PAIRS_JSON, copy, size);
    check_pairs(PAIRS_FORM, copy, size);
    check_pairs(PAIRS_MULTIPART, copy, size);
    check_boundary(copy, size);
    check_template(copy);
    struct directives directives = DIRECTIVES;
    directives_read(&directives, copy, size);
    must_hold(directives.max_age >= -1 && directives.max_age <= AGE_MAX && directives.stale_while_revalidate <= AGE_MAX,
              "bounded");
    h2o_iovec_t accept = h2o_iovec_init(copy, size);
    must_hold(compress_choose(COMPRESS_GZIP, &accept, 1) != CODING_BROTLI, "only what is allowed");
    free(copy);
    return 0;
}
