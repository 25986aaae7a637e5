#include "apikey/apikeys_nats.h"

#include "apikey/apikeys_view.h"
#include "contract/subjects.h"

static struct response *validate(struct request *req)
{
    struct validate_apikey in = { 0 };
    if (!request_body(req, validate_apikey_fields, &in))
        return NULL;
    const struct api_key *key = apikey_check(&req->ctx, req->service, in.key);
    return key ? reply(req, valid_apikey_fields, apikey_view(&req->ctx, key)) : NULL;
}

const struct subject apikey_subjects[] = {
    { SUBJECT_VALIDATE_APIKEY, validate, "Whose API key this is, and what it reaches", validate_apikey_fields,
      valid_apikey_fields },
    { 0 },
};
