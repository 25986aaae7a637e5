#pragma once
#include "apikey/apikeys.h"
#include "contract/messages.h"

/* An answer about a key, as gateways and services get it. */
struct valid_apikey *apikey_view(struct ctx *ctx, const struct api_key *key);
