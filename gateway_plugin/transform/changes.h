#pragma once
/*
 * The lists of request-transformer and response-transformer: "NAME", "OLD:NEW",
 * "NAME:VALUE". Looked at when the configuration is read, so that no request
 * finds a mistake in them.
 */
#include "config/options.h"
#include "transform/header_edit.h"
#include "transform/pairs.h"

#include <h2o.h>

enum change { CHANGE_REMOVE, CHANGE_RENAME, CHANGE_REPLACE, CHANGE_ADD, CHANGE_APPEND, CHANGES };
extern const char *const change_names[CHANGES];

/* For .valid of the options' tables: there is a name, and a value after the colon. */
bool change_has_value(const char *text);
bool change_is_header(const char *text);       /* NAME of a header */
bool change_is_header_pair(const char *text);  /* NAME:NAME */
bool change_is_header_value(const char *text); /* NAME:VALUE */
#define CHANGE_PAIR .valid = change_has_value, .rule = "must be NAME:VALUE"
#define CHANGE_HEADER .valid = change_is_header, .rule = "is no name of a header"
#define CHANGE_HEADER_PAIR .valid = change_is_header_pair, .rule = "must be OLD:NEW, two names of headers"
#define CHANGE_HEADER_VALUE .valid = change_is_header_value, .rule = "must be NAME:VALUE, a header"

/* Gives the value of the item at `index` as it is to stand there: a template's result, or JSON. NULL: leave it. */
typedef const char *change_value_fn(void *self, const char *value, size_t index);

/* One list on headers, in the memory of `edit`; names in lower case. */
void change_headers(struct header_edit *edit, enum change change, const struct texts *list, change_value_fn *value,
                    void *self);
/* One list on pairs. */
void change_pairs(struct pairs *pairs, enum change change, const struct texts *list, change_value_fn *value,
                  void *self);
