#pragma once
/* What somebody typed: words, each to be found by its beginning. It is text, never syntax. */
#include "text/fold.h"

enum { QUERY_CHARACTERS = 200, QUERY_WORDS = 16 };

struct query_words {
    struct words words;
    const char *match; /* for FTS5 */
};

/* NULL: there is no word in it. */
const struct query_words *query_parse(struct arena *arena, const char *text);

/* `text` as HTML with what matches between <em> and </em>; NULL where nothing does. */
const char *query_highlight(struct arena *arena, const struct query_words *query, const char *text);
