#include "foreign_fixture.h"

enum { PATIENCE_MS = 30000 };

struct provider provider;

void foreign_setup(void)
{
    provider_start(&provider, NULL);
    fixture_options.trusted = (struct trusted_settings){ .issuers = provider.issuer,
                                                         .audience = "tonearm",
                                                         .roles_claim = "realm.roles",
                                                         .roles = "LISTENER,ARTIST, EDITOR",
                                                         .skew_ms = 60000 };
    auth_start();
}

void foreign_teardown(void)
{
    auth_stop();
    provider_stop(&provider);
}

const char *foreign_token(const char *wish)
{
    char *token = provider_token(&provider, wish);
    const char *out = format("%s", token);
    free(token);
    return out;
}

struct answer validate(const char *token)
{
    int64_t until = clock_ms() + PATIENCE_MS;
    struct answer answer;
    do
        answer = call_subject("auth.validate.token", format("{\"accessToken\":\"%s\"}", token), false);
    while (answer.status == 503 && clock_ms() < until);
    return answer;
}

const char *foreign_link(const char *subject)
{
    return format("%s %s", provider.issuer, subject);
}
