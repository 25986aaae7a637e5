#pragma once
/* Temporary folders of tests. */
#include <stddef.h>

/* `dir` has room for 64 bytes. */
void folder_make(char *dir);
void folder_remove(const char *dir);
/* Files in it and below it. */
size_t folder_files(const char *dir);
