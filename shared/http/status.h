#pragma once
/* The statuses of HTTP and their reason phrases (RFC 9110, 15, RFC 6585, RFC 4918; 499 is nginx's). */
#include <stddef.h>

enum { HTTP_STATUSES_MAX = 48 };

/* NULL: it has none here. */
const char *http_reason(int status);
/* Below HTTP_STATUSES_MAX, for tables of counts; all that have no phrase share one. */
size_t http_status_index(int status);
