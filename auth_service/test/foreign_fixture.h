#pragma once
/* For tests: auth that trusts a provider process of its own. */
#include "auth_fixture.h"
#include "provider_fixture.h"

extern struct provider provider;

void foreign_setup(void);
void foreign_teardown(void);

/* As /control/token makes it; lives until the end. */
const char *foreign_token(const char *wish);
/* What auth.validate.token answers; asked again where the machine was too busy for the provider's answer (503). */
struct answer validate(const char *token);
/* "ISSUER SUBJECT" */
const char *foreign_link(const char *subject);
