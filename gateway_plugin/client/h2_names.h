#pragma once
/*
 * What HTTP/2 carries in frames and HTTP/1 in lines: method, path, authority
 * and headers are checked before a service's request line is written of them.
 */
#include <h2o.h>

/* NULL: good. Else what is wrong; *status is 400 or 431. */
const char *h2_names_check(const h2o_req_t *req, int *status);
