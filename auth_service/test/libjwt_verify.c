#include "libjwt_verify.h"

#include <jwt.h>
#include <stdlib.h>
#include <string.h>

json_t *libjwt_verify(const char *token, const char *pem)
{
    jwt_t *jwt = NULL;
    if (jwt_decode(&jwt, token, (const unsigned char *)pem, (int)strlen(pem)) != 0)
        return NULL;
    char *header = jwt_get_headers_json(jwt, NULL), *claims = jwt_get_grants_json(jwt, NULL);
    json_t *out = json_pack("{s:o,s:o}", "header", json_loads(header, 0, NULL), "claims", json_loads(claims, 0, NULL));
    free(header);
    free(claims);
    jwt_free(jwt);
    return out;
}
