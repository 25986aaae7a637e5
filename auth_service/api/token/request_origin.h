#pragma once
/* What a request over HTTP tells about where it comes from. */
#include "http/endpoint.h"
#include "session/session.h"

struct device request_device(struct request *req);
/* The id of the API key, told by the edge or found here; NULL: none. */
const char *request_client(const struct request *req);
/* The token of `Authorization: Bearer`. NULL: no such header. "" when it holds something else. */
const char *request_bearer(const struct request *req);
