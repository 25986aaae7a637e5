#pragma once
/* Out of memory ends the process: the limits at the door keep it from happening. */
#include <stdlib.h>

static inline void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}
