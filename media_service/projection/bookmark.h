#pragma once
/* Cursors of the projection's lists: bound to the list and the question they came from, refused elsewhere. */
#include "base/ctx.h"

/* `list` names the list, `question` what was asked of it; `place` is where to go on. */
char *bookmark_write(struct ctx *ctx, const char *list, const char *question, const char *place);
/* The place. NULL: ERROR_INVALID, it is of another list or none at all. */
char *bookmark_read(struct ctx *ctx, const char *list, const char *question, const char *cursor);
