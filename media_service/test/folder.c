#include "test/folder.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t found;

void folder_make(char *dir)
{
    strcpy(dir, "/tmp/tonearm-media-XXXXXX");
    cr_assert(mkdtemp(dir));
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)about, (void)kind, (void)ftw;
    return remove(path);
}

void folder_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int count_one(const char *path, const struct stat *about, int kind, struct FTW *ftw)
{
    (void)path, (void)about, (void)ftw;
    found += kind == FTW_F;
    return 0;
}

size_t folder_files(const char *dir)
{
    found = 0;
    nftw(dir, count_one, 16, FTW_PHYS);
    return found;
}
