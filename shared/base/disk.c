#include "base/disk.h"

#include <sys/statvfs.h>

bool disk_has_room(const char *dir, uint64_t bytes)
{
    struct statvfs about;
    return statvfs(dir, &about) != 0 || (uint64_t)about.f_bavail * about.f_frsize >= bytes;
}
