#pragma once
/*
 * A regular expression (PCRE2) of the configuration, matched against what
 * clients send. Bounded: one on which a text would be tried in too many ways is
 * given up, and the answer is PATTERN_UNDECIDED. It may be used by all loops.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern;

enum {
    PATTERN_TEXT_MAX = 2048,
    PATTERN_GROUPS_MAX = 15, /* besides the whole */
};

enum pattern_answer { PATTERN_NO, PATTERN_YES, PATTERN_UNDECIDED };

struct capture {
    size_t start, end; /* both 0: this group took no part */
};

/* What matched: the whole first, then the groups. */
struct captures {
    size_t count;
    struct capture items[PATTERN_GROUPS_MAX + 1];
};

enum pattern_options { PATTERN_ANCHORED = 1, PATTERN_CASELESS = 2 };

/* Belongs to `*list`. NULL, and `*error` (in `arena`) says why. */
const struct pattern *pattern_create(struct pattern **list, struct arena *arena, const char *text,
                                     enum pattern_options options, const char **error);
void patterns_destroy(struct pattern *list);
/* `captures` may be NULL. */
enum pattern_answer pattern_match(const struct pattern *pattern, const char *text, size_t size,
                                  struct captures *captures);
/* The number of a named group; 0: there is none of this name. */
size_t pattern_group(const struct pattern *pattern, const char *name);
size_t pattern_groups(const struct pattern *pattern);
/* The named groups, `index` from 0 on: name and number. NULL: there are no more. */
const char *pattern_name(const struct pattern *pattern, size_t index, size_t *group);

/* What every text that an anchored pattern matches begins with, as far as that is plain to see. `*whole`: it is all of
 * the pattern, but for a last `$`, which `*ends` tells. */
char *pattern_literal(struct arena *arena, const char *text, bool *whole, bool *ends);
