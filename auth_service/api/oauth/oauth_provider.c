#include "oauth/oauth_provider.h"

#include "base/text.h"
#include "issuer/fetch.h"

static const char *issuer_is_wrong(const char *url)
{
    return fetch_may(url) ? NULL : "must be an address of https, or of http on this machine, without user and fragment";
}

/* Blanks separate scopes (RFC 6749, 3.3); without the first a provider makes no ID token. */
static const char *scopes_are_wrong(const char *scopes)
{
    return text_equal(scopes, "openid") || text_starts(scopes, "openid ") ? NULL : "must begin with openid";
}

static const struct setting settings[] = {
    SETTING("ISSUER", SETTING_TEXT, struct oauth_provider_settings, issuer, .required = true, .min = 1, .max = 500,
            .wrong = issuer_is_wrong, .help = "the provider's issuer, exactly as it writes it; google's is known"),
    SETTING("CLIENT_ID", SETTING_TEXT, struct oauth_provider_settings, client_id, .required = true, .min = 1,
            .max = 500, .help = "what the provider knows this service by"),
    SETTING("CLIENT_SECRET", SETTING_SECRET, struct oauth_provider_settings, client_secret, .max = 1024,
            .help = "what the provider gave with it; none for a public client, which PKCE alone holds"),
    SETTING("SCOPES", SETTING_TEXT, struct oauth_provider_settings, scopes, .value = "openid email profile", .min = 6,
            .max = 500, .wrong = scopes_are_wrong, .help = "what the provider is asked for"),
    SETTING("TRUST_EMAIL", SETTING_FLAG, struct oauth_provider_settings, trust_email, .value = "0",
            .help = "an address that comes without email_verified counts as verified: only where nobody can give "
                    "themselves another's address"),
    SETTING("TIMEOUT", SETTING_MS, struct oauth_provider_settings, timeout_ms, .value = "3s", .min = 100, .max = 30000,
            .help = "how long each of its answers may take"),
    SETTING("CA_FILE", SETTING_TEXT, struct oauth_provider_settings, ca_file,
            .help = "PEM of whom the provider's certificate is believed from; none: whom the system believes"),
    { 0 },
};

static const char *preset(const char *provider, const char *setting)
{
    return text_equal(provider, "google") && text_equal(setting, "ISSUER") ? "https://accounts.google.com" : NULL;
}

const struct setting_group oauth_provider_group = { "AUTH_OIDC_", settings, sizeof(struct oauth_provider_settings),
                                                    preset };
