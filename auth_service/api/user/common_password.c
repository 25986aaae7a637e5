#include "user/common_password.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *text, const void *row)
{
    return strcmp(text, row);
}

bool is_uncommon_password(const char *text)
{
    char lower[COMMON_PASSWORD_ROOM];
    size_t size = strlen(text);
    if (size >= sizeof lower)
        return true;
    for (size_t i = 0; i <= size; i++)
        lower[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + ('a' - 'A')) : text[i];
    return !bsearch(lower, common_passwords, common_password_count, sizeof *common_passwords, compare);
}
