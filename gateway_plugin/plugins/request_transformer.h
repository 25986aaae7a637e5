#pragma once
/* The two halves of request-transformer: what the file says, and what is done with a request. */
#include "transform/changes.h"
#include "plugin.h"

struct request_changes {
    struct texts headers, querystring, body;
};

struct request_transformer {
    struct request_changes changes[CHANGES];
    const char *uri;
    int method; /* index into request_methods; -1: stays */
};

extern const char *const request_methods[];

enum verdict request_transform(struct exchange *x, const void *config);
