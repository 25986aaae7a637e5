#pragma once
/* What the kernel holds of a connection, asked now. */
#include <stdbool.h>

/* Bytes have come that nobody has read yet. */
bool socket_has_unread(int fd);
/* How many bytes the peer has not acknowledged; 0 where that cannot be told. */
int socket_unsent(int fd);
/* Throws away what has come, without a copy. false: the peer has closed, or the connection has failed. */
bool socket_forget_unread(int fd);
