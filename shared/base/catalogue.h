#pragma once
/*
 * What people are told, in the languages we speak. The text in the code is
 * English, and the key: shared/languages/ has a gettext catalogue for each
 * other language, compiled into the program. docs/languages.md
 */
#include <stddef.h>

/* Marks a text that is told elsewhere, so that the catalogues must have it. */
#define MESSAGE(text) text

/* Codes of two letters, "en" first; ends with NULL. */
extern const char *const languages[];

/* `english` in this language, or as it is where the catalogue has no other. Static, or `english` itself. `language`:
 * one of languages[]; NULL = en. */
const char *catalogue_find(const char *language, const char *english);

/* A compiled catalogue: gettext's .mo, in this machine's byte order. */
struct catalogue {
    const char *language;
    const unsigned char *data;
    size_t size;
};
extern const struct catalogue catalogues[]; /* all but English; ends with {0} */
/* The number of its messages, and one of them; they stand in the order of strcmp(). */
size_t catalogue_count(const struct catalogue *catalogue);
const char *catalogue_english(const struct catalogue *catalogue, size_t index);
const char *catalogue_told(const struct catalogue *catalogue, size_t index);
