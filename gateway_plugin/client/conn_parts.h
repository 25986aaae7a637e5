#pragma once
/* What the files of a connection share; nobody else includes it. */
#include "client/conn.h"

/* conn.c */
struct conn *conn_of_socket(h2o_socket_t *sock);
void conn_set_phase(struct conn *conn, enum conn_phase phase);
/* Gives back what limits count for its body. */
void conn_give_held(struct conn *conn);
/* h2o hears of it as of a client that closed. */
void conn_drop(struct conn *conn, const char *err);

/* Of its loop from here on; its phase is for the caller to set. */
struct conn *conn_create(struct loop *loop, h2o_socket_t *sock);

/* conn_http1.c */
/* CONN_LINGER: the callback for what is read, and thrown away. */
void conn_on_linger(h2o_socket_t *sock, const char *err);
/* Waits for a head; the callback for what is read. */
void conn_on_head(h2o_socket_t *sock, const char *err);
/* Between two requests, where h2o has already been given a part of the next: its callback is conn->inner. */
void conn_on_begun_head(struct conn *conn);
/* Answers in h2o's place and ends the connection, so that the client can read why. */
void conn_refuse(struct conn *conn, int status, const char *reason);
/* A request has begun: listens for the client going away. */
void conn_watch(struct conn *conn, struct exchange *x);

/* conn_h2.c */
void conn_start_h2(struct conn *conn);
/* Past a budget: left alone for a while. `fault`: what there was too much of. */
void conn_pen(struct conn *conn, const char *fault);
/* After each turn: h2o gets the frames that wait, up to the requests that one turn may begin. */
void conn_hand_over(struct loop *loop);
/* After each turn, before anything more can be read: h2o, where it begins to read again, does so by itself alone. */
void conn_watch_again(struct loop *loop);
/* Every 100 ms. */
void conn_sweep_h2(struct conn *conn, int64_t now_ms);
