#pragma once
/* In which language a client is told what the edge itself has to say: shared/base/catalogue.h. */
#include <stddef.h>

struct exchange;

/* ?locale= and then Accept-Language, as the services choose; one of languages[]. */
const char *told_language(const struct exchange *x);
/* The same for a client whose request h2o has not seen, by the bytes of it that have come. */
const char *told_language_in(const char *head, size_t size);
/* `english` in the client's language. */
const char *told(const struct exchange *x, const char *english);
