#pragma once
/* libjwt's own full check of a token, in a file of its own: its header has names that ours have too. */
#include <jansson.h>

/* {"header":{...},"claims":{...}} of a token that this PEM verifies, else NULL. */
json_t *libjwt_verify(const char *token, const char *pem);
