#pragma once
#include "nats/serve.h"
#include "token/local_authority.h"

struct token_service {
    const struct authority *authority;
    struct roles *roles;
};

extern const struct subject token_subjects[]; /* with a struct token_service */
