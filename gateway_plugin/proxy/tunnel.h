#pragma once
/* WebSocket: after a 101 of the member, bytes pass both ways until one side closes or nothing passes for TUNNEL_MS. */
#include "exchange/exchange.h"

enum { TUNNEL_MS = 300000 };

/* Does the request ask for it? HTTP/1.1 only. */
bool tunnel_wanted(const h2o_req_t *req);
/* The member has agreed: `rest` came behind its head. Ends the exchange. */
void tunnel_start(struct exchange *x, const struct reply_head *head, h2o_iovec_t rest);
