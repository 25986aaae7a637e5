#include "oauth_fixture.h"

#include "base/text.h"

#include <curl/curl.h>
#include <string.h>

struct provider provider;

static struct oauth_provider_settings settings[3];

void oauth_setup_telling(const char *document)
{
    static const char *const names[] = { "mock", "other", "trusted" };
    provider_start(&provider, NULL);
    provider_do(&provider, "document", document);
    for (size_t i = 0; i < 3; i++)
        settings[i] = (struct oauth_provider_settings){ .name = names[i],
                                                        .issuer = provider.issuer,
                                                        .client_id = "tonearm",
                                                        .scopes = "openid email profile",
                                                        .client_secret = { .name = "SECRET",
                                                                           .fixed = "mockoidc-secret" },
                                                        .timeout_ms = 30000,
                                                        /* on a machine that has other work */ .trust_email = i == 2 };
    fixture_options.providers = (struct setting_items){ settings, 3 };
    auth_start();
}

void oauth_setup(void)
{
    oauth_setup_telling("{}");
}

void oauth_teardown(void)
{
    auth_stop();
    provider_stop(&provider);
}

const char *header_of(const struct answer *answer, const char *name)
{
    for (const struct pair *header = answer->headers; header && header->name; header++)
        if (strcasecmp(header->name, name) == 0)
            return header->value;
    return NULL;
}

struct trip set_out(const char *name)
{
    struct trip trip = { .answer = CALL(GET, format("/oauth/%s/start", name)) };
    cr_assert_eq(trip.answer.status, 302, "%s", trip.answer.text);
    const char *cookie = header_of(&trip.answer, "set-cookie");
    trip.location = header_of(&trip.answer, "location");
    cr_assert(cookie && trip.location && strchr(cookie, '='));
    cookie = strchr(cookie, '=') + 1;
    trip.cookie = format("%.*s", (int)strcspn(cookie, ";"), cookie);
    return trip;
}

static size_t ignore(char *data, size_t size, size_t count, void *self)
{
    (void)data;
    (void)self;
    return size * count;
}

static const char *redirect_of(const char *address)
{
    CURL *curl = curl_easy_init();
    char *redirect = NULL;
    curl_easy_setopt(curl, CURLOPT_URL, address);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &redirect);
    cr_assert(code == CURLE_OK && redirect, "%s: %s", address, curl_easy_strerror(code));
    const char *out = format("%s", redirect);
    curl_easy_cleanup(curl);
    return out;
}

const char *at_provider(const struct trip *trip, const char *subject, const char *email, bool verified)
{
    provider_do(&provider, "user",
                format("{\"Subject\":\"%s\",\"Email\":\"%s\",\"EmailVerified\":%s}", subject, email,
                       verified ? "true" : "false"));
    return redirect_of(trip->location);
}

struct answer come_back(const char *address, const char *cookie)
{
    const char *path = strstr(address, "/oauth/");
    cr_assert_not_null(path, "%s", address);
    return CALL(GET, path, .header = cookie ? "cookie" : NULL,
                .value = cookie ? format("a=b; tonearm-oauth=%s; c=d", cookie) : NULL);
}

struct answer sign_in_by(const char *name, const char *subject, const char *email, bool verified)
{
    struct trip trip = set_out(name);
    return come_back(at_provider(&trip, subject, email, verified), trip.cookie);
}

struct answer sign_in_as(const char *subject, const char *email, bool verified)
{
    return sign_in_by("mock", subject, email, verified);
}

void spoil(const char *wish)
{
    provider_do(&provider, "spoil", wish);
}
