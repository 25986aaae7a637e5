#pragma once
/* Events of a write as CloudEvents 1.0 JSON. */
#include "store/backend.h"

/* `subject` is the document's id where an event names none. */
bool events_prepare(struct ctx *ctx, const char *service, const char *subject, struct events events,
                    const struct pending **out);
