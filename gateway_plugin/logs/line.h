#pragma once
/* Text into a piece of memory of fixed size. What does not fit is left out and said. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct line {
    char *at, *end;
    bool full; /* something did not fit */
};

void line_add(struct line *line, const char *data, size_t size);
#define LINE(line, literal) line_add(line, literal, sizeof(literal) - 1)
void line_text(struct line *line, const char *text);
void line_number(struct line *line, int64_t number);
/* A JSON string with its quotes, of at most `most` bytes between them: the rest is cut off between characters. Bytes
 * that are not UTF-8 become U+FFFD. */
void line_json(struct line *line, const char *text, size_t size, size_t most);
/* For a log that is no JSON: quotes, backslashes and what is no printable ASCII as \xHH. At most `most` bytes. */
void line_hex(struct line *line, const char *text, size_t size, size_t most);
