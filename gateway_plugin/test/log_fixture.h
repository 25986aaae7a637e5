#pragma once
/* An edge that logs, and its files, for tests. */
#include "edge_one.h"

#include <jansson.h>
#include <stdint.h>

/* With these settings; file names are those of the edge's folder. Routes: open at /a; keyed at /k, which asks for a key
 * and has routed.log; followed at /f with followed.log. teardown() ends it. */
void log_start(const char *const *environment);
/* From malloc; "": there is none. */
char *log_read(const char *name);
int count_lines(const char *text);
/* The file, once it has so many lines. */
char *log_wait(const char *name, int lines);
/* Line number `index` as JSON. */
json_t *log_line_of(const char *text, int index);
/* A member of a member; "", or -999: there is none. */
const char *log_text(json_t *line, const char *object, const char *name);
int64_t log_number(json_t *line, const char *object, const char *name);
