#pragma once
/* What the helper may still do once it is loaded: read descriptors that it is given, answer on its socket, compute. */
#include <stdbool.h>
#include <stdio.h>

/* No open, socket, exec, clone, ptrace; nothing written to files; bounded memory, not root. For good. false: the kernel
 * refuses; do not go on. */
bool sandbox_enter(void);

/* Tries what is forbidden, a line each; true when all of it is refused. */
bool sandbox_check(FILE *out);
