#pragma once
/* The passwords that everybody tries first: auth_service/data/README.md. */
#include <stdbool.h>
#include <stddef.h>

enum { COMMON_PASSWORD_ROOM = 32 };

/* Sorted, in lower case; made of the data at build. */
extern const char common_passwords[][COMMON_PASSWORD_ROOM];
extern const size_t common_password_count;

/* Is none of them, in whatever case. A rule for .valid. */
bool is_uncommon_password(const char *text);
