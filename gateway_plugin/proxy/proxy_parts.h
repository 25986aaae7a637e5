#pragma once
/* What the two halves of the proxy share: proxy.c asks, proxy_reply.c answers. */
#include "proxy/proxy.h"

const struct kong_service *proxy_service(const struct exchange *x);
/* The member's time runs from now. */
void proxy_set_deadline(struct exchange *x, int64_t timeout_ms);
/* Tells the balancer how it went. */
void proxy_report(struct exchange *x, enum outcome outcome, int status);
void proxy_close_origin(struct exchange *x);
/* Ends the exchange with an answer of the edge's own. */
void proxy_fail(struct exchange *x, int status, const char *message);
/* The member closed without an answer: asks again where it may. */
void proxy_no_answer(struct exchange *x);
/* There is something to read: of struct origin_user. */
void proxy_on_readable(void *self);
