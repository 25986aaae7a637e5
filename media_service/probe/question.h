#pragma once
/* The helper's end of the socket. */
#include "probe/protocol.h"

#include <stdbool.h>

/* Waits for a question; the descriptor is the caller's. false: the socket has ended, or what came is no question with
 * one descriptor; do not go on. */
bool question_next(int socket, struct probe_question *question, int *fd);
