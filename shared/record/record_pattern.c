/*
 * Compiled patterns, by their text. Entries are put once and never taken out,
 * so a reader needs no lock; when the table is full, further patterns are
 * compiled for each use: slower, never wrong. Tables of fields are static, so
 * their patterns are few.
 */
#include "record/record_kinds.h"

#include "base/cleanup.h"
#include "base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdatomic.h>
#include <string.h>

enum {
    SLOTS = 512,
    MATCH_LIMIT = 100000 /* steps of backtracking: a millisecond or two; a text that needs more does not match */
};

struct compiled {
    char *source;
    pcre2_code *code;
    pcre2_match_context *limits;
};

static _Atomic(struct compiled *) table[SLOTS];

static void compiled_free(struct compiled *compiled)
{
    pcre2_match_context_free(compiled->limits);
    pcre2_code_free(compiled->code);
    free(compiled->source);
    free(compiled);
}
DEFINE_CLEANUP(struct compiled *, compiled_free)
DEFINE_CLEANUP(pcre2_match_data *, pcre2_match_data_free)

static struct compiled *compile(const char *source)
{
    int fault;
    size_t at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)source, PCRE2_ZERO_TERMINATED,
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &fault, &at, NULL);
    if (!code)
        return NULL;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where there is no JIT, matching interprets */
    struct compiled *compiled = calloc(1, sizeof *compiled);
    if (!compiled)
        abort();
    compiled->source = strdup(source);
    compiled->code = code;
    compiled->limits = pcre2_match_context_create(NULL);
    if (!compiled->source || !compiled->limits)
        abort();
    pcre2_set_match_limit(compiled->limits, MATCH_LIMIT);
    return compiled;
}

static size_t slot_of(const char *source)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *source; source++)
        hash = (hash ^ (unsigned char)*source) * 16777619u;
    return hash % SLOTS;
}

/* The kept one; NULL with `*free_slot` where it would go, or NULL there too when the table is full. */
static struct compiled *find(const char *source, _Atomic(struct compiled *) **free_slot)
{
    size_t first = slot_of(source);
    for (size_t i = 0; i < SLOTS; i++) {
        _Atomic(struct compiled *) *slot = &table[(first + i) % SLOTS];
        struct compiled *compiled = atomic_load_explicit(slot, memory_order_acquire);
        if (!compiled) {
            *free_slot = slot;
            return NULL;
        }
        if (strcmp(compiled->source, source) == 0)
            return compiled;
    }
    *free_slot = NULL;
    return NULL;
}

static bool match(const struct compiled *compiled, const char *text)
{
    _cleanup_(pcre2_match_data_freep) pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (!data)
        abort();
    return pcre2_match(compiled->code, (PCRE2_SPTR)text, strlen(text), 0, 0, data, compiled->limits) >= 0;
}

bool pattern_matches(struct ctx *ctx, const char *pattern, const char *text)
{
    _Atomic(struct compiled *) *slot = NULL;
    struct compiled *kept = find(pattern, &slot);
    if (kept)
        return match(kept, text);
    _cleanup_(compiled_freep) struct compiled *made = compile(pattern);
    if (!made)
        return ctx_fail(ctx, ERROR_INTERNAL, "the pattern of a field is not one: %s", pattern);
    bool matched = match(made, text);
    struct compiled *none = NULL;
    if (slot && atomic_compare_exchange_strong(slot, &none, made))
        made = NULL; /* the table's now; a thread that was faster keeps its own */
    return matched;
}
