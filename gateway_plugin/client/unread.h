#pragma once
/*
 * Bodies that are too large for their route are not read: h2o, which answers
 * when all of a request is here, is made to believe that it is. The request goes
 * its ordinary way (who sends no good key is told so first), is sure to be
 * refused on it (plugin.h: body_most), and what still comes of its body is thrown
 * away. A request is looked at only where its length, or what has come of it, is
 * above the least limit of the configuration.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct exchange;
struct loop;

/* HTTP/1: the head at the front of the input, before h2o has it: the most that its route takes. UINT64_MAX: any. */
uint64_t unread_most(struct conn *conn);
/* The same head: h2o shall see no body behind it. */
void unread_hide(struct conn *conn);
/* The request's answer has left, and h2o closes the connection: a socket that is closed while something comes is reset,
 * and the client never reads the answer. */
void unread_keep(struct conn *conn);
/* Takes what unread_keep() kept. */
void unread_linger(struct loop *loop, int fd);

/* HTTP/2: before h2o reads what has come: without what belongs to bodies that nobody reads. */
void unread_drop(struct conn *conn);
/* After it has: ends the bodies that are too large. */
void unread_look(struct conn *conn);
/* HTTP/2: of the requests that h2o begins in unread_look(), is it the one whose body is not read? */
bool unread_is(const struct exchange *x);
/* HTTP/2: has the client told the length of its body? */
bool unread_length_told(const struct exchange *x);
/* The answer has left; and, once h2o is out of the way, the client is told to send no more. */
void unread_over(struct conn *conn, const struct exchange *x);
void unread_tell(struct conn *conn);
