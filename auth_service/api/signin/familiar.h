#pragma once
/* Where the people of an account are: lockout_options.familiar. */
#include "session/session.h"

struct familiar {
    const struct users *users;
    const struct sessions *sessions;
};

/* Whether one of the newest hundred sessions of the account was last used in `network` (lockout_network()). An outage
 * fails. */
bool familiar_network(struct ctx *ctx, void *familiar, const char *email, const char *network);
