#pragma once
/* Who asks, and what follows from it: a consumer's own plugins take the place of those for all. */
#include "config/options.h"

struct config;
struct exchange;
struct kong_consumer;
struct kong_plugin;

/* Texts live as long as the request. */
struct identity {
    const char *id, *name, *custom_id;    /* NULL: none */
    const char *credential;               /* what it came by; NULL: no plugin has asked, or anonymous */
    const struct kong_consumer *consumer; /* of the file; NULL: none */
    struct texts groups; /* that whoever checked the credential vouches for, beside the consumer's own */
    bool by_key;         /* an API key was checked: our services need not ask for one */
    bool anonymous;      /* the consumer is who anybody is without a credential */
    const char *consumer_groups, *authenticated_groups; /* as the service is told of them; NULL: it is not */
};

/*
 * For a plugin's access hook, on success: from here on x->identity is this, and the plugins that are still to come are
 * those of this consumer. A later plugin may do so again. What has run stays, with the configuration that it ran with.
 */
void exchange_identify(struct exchange *x, const struct identity *who);
/* The same for a consumer of the file. `credential`: NULL says that it is anonymous. */
void exchange_identify_consumer(struct exchange *x, const struct kong_consumer *consumer, const char *credential);

/*
 * Several plugins that check credentials, as in Kong: with `anonymous` one of
 * them is enough, and who passes none is that consumer; without, each must.
 */
struct anonymous {
    const char *name; /* as the file says; NULL: none */
    const struct kong_consumer *consumer;
};
/* For a plugin's link hook. */
void anonymous_link(struct anonymous *anonymous, struct faults *faults, const struct config *config,
                    const struct kong_plugin *row);
/* Nothing more need be checked. */
bool anonymous_satisfied(const struct exchange *x, const struct anonymous *anonymous);
/* No good credential was sent: is it an anonymous request now? */
bool anonymous_takes(struct exchange *x, const struct anonymous *anonymous);
