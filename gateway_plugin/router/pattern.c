#include "router/pattern.h"

#include "must.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
    MATCH_LIMIT = 10000, /* as Kong's: about a millisecond at the worst */
    HEAP_KIB = 4096,     /* as much as that many steps can need */
    NEST_MAX = 50,
};

struct pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
    struct pattern *next;
};

static pcre2_code *compile(const char *text, uint32_t options, int *code, size_t *at)
{
    pcre2_compile_context *context = must(pcre2_compile_context_create(NULL));
    pcre2_set_parens_nest_limit(context, NEST_MAX);
    pcre2_code *out = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, code, at, context);
    pcre2_compile_context_free(context);
    return out;
}

static const struct pattern *refuse(struct arena *arena, int code, size_t at, const char **error)
{
    unsigned char why[128];
    pcre2_get_error_message(code, why, sizeof why);
    *error = arena_printf(arena, "%s at its character %zu", (const char *)why, at + 1);
    return NULL;
}

static pcre2_match_context *make_limits(void)
{
    pcre2_match_context *limits = must(pcre2_match_context_create(NULL));
    pcre2_set_match_limit(limits, MATCH_LIMIT);
    pcre2_set_heap_limit(limits, HEAP_KIB);
    return limits;
}

const struct pattern *pattern_create(struct pattern **list, struct arena *arena, const char *text,
                                     enum pattern_options options, const char **error)
{
    int code;
    size_t at;
    uint32_t flags = PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
                     (options & PATTERN_ANCHORED ? PCRE2_ANCHORED : 0u) |
                     (options & PATTERN_CASELESS ? PCRE2_CASELESS : 0u);
    *error = "is longer than 2,048 characters";
    pcre2_code *compiled = strlen(text) > PATTERN_TEXT_MAX ? NULL : compile(text, flags, &code, &at);
    if (!compiled)
        return strlen(text) > PATTERN_TEXT_MAX ? NULL : refuse(arena, code, at, error);
    struct pattern *pattern = must(calloc(1, sizeof *pattern));
    *pattern = (struct pattern){ compiled, make_limits(), *list };
    *list = pattern;
    *error = "has more than 15 groups";
    if (pattern_groups(pattern) > PATTERN_GROUPS_MAX)
        return NULL;
    pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE); /* where there is no JIT, matching interprets */
    return pattern;
}

void patterns_destroy(struct pattern *list)
{
    while (list) {
        struct pattern *pattern = list;
        list = pattern->next;
        pcre2_match_context_free(pattern->limits);
        pcre2_code_free(pattern->code);
        free(pattern);
    }
}

static void take_captures(pcre2_match_data *data, int count, struct captures *captures)
{
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(data);
    captures->count = (size_t)count;
    for (size_t i = 0; i < captures->count; i++)
        captures->items[i] = offsets[2 * i] == PCRE2_UNSET ? (struct capture){ 0 }
                                                           : (struct capture){ offsets[2 * i], offsets[2 * i + 1] };
}

enum pattern_answer pattern_match(const struct pattern *pattern, const char *text, size_t size,
                                  struct captures *captures)
{
    pcre2_match_data *data = must(pcre2_match_data_create(PATTERN_GROUPS_MAX + 1, NULL));
    int count = pcre2_match(pattern->code, (PCRE2_SPTR)text, size, 0, 0, data, pattern->limits);
    /* Many repetitions of a group fill the 32 KiB that compiled code has: the interpreter has a heap. */
    if (count == PCRE2_ERROR_JIT_STACKLIMIT)
        count = pcre2_match(pattern->code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_JIT, data, pattern->limits);
    if (count > 0 && captures)
        take_captures(data, count, captures);
    pcre2_match_data_free(data);
    return count > 0 ? PATTERN_YES : count == PCRE2_ERROR_NOMATCH ? PATTERN_NO : PATTERN_UNDECIDED;
}

size_t pattern_group(const struct pattern *pattern, const char *name)
{
    int number = pcre2_substring_number_from_name(pattern->code, (PCRE2_SPTR)name);
    return number > 0 ? (size_t)number : 0;
}

size_t pattern_groups(const struct pattern *pattern)
{
    uint32_t count = 0;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
}

const char *pattern_name(const struct pattern *pattern, size_t index, size_t *group)
{
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMECOUNT, &count);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(pattern->code, PCRE2_INFO_NAMETABLE, &table);
    if (index >= count)
        return NULL;
    /* An entry is the number in two bytes, and the name with its NUL. */
    table += index * size;
    *group = (size_t)table[0] << 8 | table[1];
    return (const char *)table + 2;
}

/* A choice anywhere outside of a class might be between whole patterns; to tell costs more than it brings. */
static bool has_choice(const char *text)
{
    return strchr(text, '|');
}

/* The character that stands at `text`, and how much of the pattern it takes; 0: it is more than a character. */
static size_t literal_at(const char *text, char *out)
{
    *out = *text;
    if (*text != '\\')
        return *text && !strchr("^$.[]|()?*+{}", *text) ? 1 : 0;
    bool plain = text[1] && strchr("/.-_~%^$[]|()?*+{}\\!@:,;=&'\"", text[1]);
    *out = text[1];
    return plain ? 2 : 0;
}

char *pattern_literal(struct arena *arena, const char *text, bool *whole, bool *ends)
{
    char *out = arena_alloc(arena, strlen(text) + 1), *to = out;
    *whole = *ends = false;
    if (has_choice(text))
        return out;
    for (size_t used; (used = literal_at(text, to)); text += used) {
        /* A character that may be there twice or not at all is none that is there. */
        if (text[used] && strchr("?*+{", text[used]))
            break;
        to++;
    }
    *to = 0;
    *ends = strcmp(text, "$") == 0;
    *whole = *ends || !*text;
    return out;
}
