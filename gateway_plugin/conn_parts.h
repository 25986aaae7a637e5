#pragma once
/* What the files of a connection share; nobody else includes it. */
#include "conn.h"

/* conn.c */
struct conn *conn_of_socket(h2o_socket_t *sock);
void conn_set_phase(struct conn *conn, enum conn_phase phase);
/* Gives back what limits count for its body. */
void conn_give_held(struct conn *conn);
/* h2o hears of it as of a client that closed. */
void conn_drop(struct conn *conn, const char *err);

/* conn_http1.c */
/* Waits for a head; the callback for what is read. */
void conn_on_head(h2o_socket_t *sock, const char *err);
/* Answers in h2o's place and ends the connection, so that the client can read why. */
void conn_refuse(struct conn *conn, int status, const char *reason);
/* A request has begun: listens for the client going away. */
void conn_watch(struct conn *conn, struct exchange *x);

/* conn_h2.c */
void conn_start_h2(struct conn *conn);
/* Past a budget: left alone for a while. */
void conn_pen(struct conn *conn);
