#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Whether the file system that holds `dir` has so many bytes left; true where that cannot be told. */
bool disk_has_room(const char *dir, uint64_t bytes);
