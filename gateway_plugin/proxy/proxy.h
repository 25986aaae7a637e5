#pragma once
/*
 * The member's side of an exchange. Retries: what was not sent goes to the
 * balancer's next pick, whatever the method; what was sent and has no answer
 * yet is sent again only where that changes nothing. Both directions move one
 * block at a time: a slow reader or writer holds that, not the body.
 */
#include "exchange/exchange.h"

void proxy_start(struct exchange *x);
/* h2o has taken what was sent and wants more. */
void proxy_proceed(struct exchange *x);
/* A deadline has passed. */
void proxy_timeout(struct exchange *x);
/* The request is over, however it ended. */
void proxy_finish(struct exchange *x);
