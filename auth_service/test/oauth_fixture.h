#pragma once
/*
 * Auth with providers of the tests' own (provider_fixture.h), and a browser's way through them. In the settings stand
 * `mock`, `other` and `trusted`, which are one issuer, the last with trust_email.
 */
#include "auth_fixture.h"
#include "provider_fixture.h"

extern struct provider provider;

void oauth_setup(void);
void oauth_teardown(void);
/* A provider that tells this about itself (control "document"), before anybody has asked. */
void oauth_setup_telling(const char *document);

/* What a browser holds after /start. Lives until oauth_teardown(), as all here. */
struct trip {
    struct answer answer;
    const char *location, *cookie;
};
struct trip set_out(const char *name);
/* The value of a header of an answer; NULL: none. */
const char *header_of(const struct answer *answer, const char *name);
/* Signs in at the provider: the address that it sends the browser back to. */
const char *at_provider(const struct trip *trip, const char *subject, const char *email, bool verified);
/* Goes there, with this cookie (NULL: none). */
struct answer come_back(const char *address, const char *cookie);

/* All of it. */
struct answer sign_in_by(const char *name, const char *subject, const char *email, bool verified);
struct answer sign_in_as(const char *subject, const char *email, bool verified);

/* What is wrong with ID tokens from now on. */
void spoil(const char *wish);
