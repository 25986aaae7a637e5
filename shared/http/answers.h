#pragma once
/*
 * Public answers kept in one loop: at most 1,024 and 16 MiB, each no longer
 * than 5 s and no larger than 256 KiB. An entry holds the generation of its
 * cache as it was before the handler ran; one raise of that number drops all
 * of a cache in every loop, and what was being filled.
 */
#include "http/endpoint.h"

#include <h2o.h>

struct answers;

struct kept {
    struct answers *owner;
    uint64_t generation;
    int status;
    const char *content_type; /* NULL = JSON */
    const char *language;     /* as in struct response */
    const char *body;
    size_t size;
    const struct pair *headers; /* ends with {0} */
    size_t bytes;               /* all of it */
};

struct answers *answers_create(void);
void answers_destroy(struct answers *answers);
/* Linked to the pool: it stays until the request ends, whatever happens to the cache. NULL = none. */
const struct kept *answers_find(struct answers *answers, const char *key, uint64_t generation, h2o_mem_pool_t *pool);
void answers_keep(struct answers *answers, const char *key, uint64_t generation, const struct response *res);
