#pragma once
/* What only ICU knows about text. Text that is not UTF-8 is given back as it is. */
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

/* Canonical composition: "e" with a combining acute becomes "\u00e9". Allocates. */
char *unicode_nfc(struct arena *arena, const char *text);
/* Case folded (full, no locale: "ss" for sharp s), then composed. Allocates. */
char *unicode_fold(struct arena *arena, const char *text);
/* A domain name as people read it: lower case, composed, `xn--` decoded (UTS 46); only lower case where it is no such
 * name. */
char *unicode_domain(struct arena *arena, const char *domain);

/* Cc: U+0000 to U+001F, U+007F to U+009F. */
bool unicode_control(uint32_t character);
/* Letter, mark or digit. */
bool unicode_word(uint32_t character);
/* Anything that leaves ink: no space, control, format, private or unassigned character. */
bool unicode_visible(uint32_t character);
