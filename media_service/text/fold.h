#pragma once
/*
 * Text as search sees it: what case, accents, ligatures and width make
 * different is the same (ß = ss, ł = l). Words are runs of letters and digits;
 * Han and kana, which have no spaces between words, are runs of their own.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct word {
    const char *text;  /* folded */
    size_t start, end; /* bytes of the original */
    bool han;          /* found by any part of it, not by its beginning */
};

struct words {
    struct word *items;
    size_t count;
};

enum { FOLDED_ROOM = 64 };
/* One character folded, as UTF-8 without a NUL: its size, 0 for what folds to nothing (accents, punctuation). */
size_t fold_character(uint32_t character, char out[static FOLDED_ROOM]);

/* At most `limit` words. */
struct words fold_words(struct arena *arena, const char *text, size_t limit);
/* The words with `between` between them; "" where there is none. */
char *fold_join(struct arena *arena, const char *text, char between);
/* As FTS5 is given it: words by spaces; a run of Han as its pairs of characters and the last one, so that any part of
 * it is found. */
char *fold_for_index(struct arena *arena, const char *text);
/* What any two spellings of a name have in common; never "" unless `name` is. */
char *fold_name(struct arena *arena, const char *name);
