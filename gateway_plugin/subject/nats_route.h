#pragma once
/*
 * A route whose service is `nats://SUBJECT`: the request is asked as a message
 * and the answer is the reply. Errors of the service (ADR-32) become statuses; no
 * answer within read_timeout is 504, nobody who listens, or no NATS, 503. Nothing is asked twice.
 * Bounded: so many questions of a process at a time, a mebibyte each way.
 */
struct exchange;

void nats_route_start(struct exchange *x);
