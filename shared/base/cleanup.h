#pragma once
/* Scope-bound release of foreign objects: `_cleanup_(bson_destroyp) bson_t *doc = ...;` */
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))
#define DEFINE_CLEANUP(type, fn)                                                                                       \
    static inline void fn##p(type *p)                                                                                  \
    {                                                                                                                  \
        if (*p)                                                                                                        \
            fn(*p);                                                                                                    \
    }

DEFINE_CLEANUP(void *, free)

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
