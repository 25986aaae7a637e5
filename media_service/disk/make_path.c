#include "disk/make_path.h"

#include "base/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool make_path(const char *path)
{
    _cleanup_(freep) void *copy = strdup(path);
    for (char *at = strchr((char *)copy + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST)
            return false;
        *at = '/';
    }
    return mkdir(copy, 0700) == 0 || errno == EEXIST;
}
