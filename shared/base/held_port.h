#pragma once
/* For tests: ports of loopback that nobody else is given. */

/* A port that nobody listens to. It is held to the end of this process: no bind to 0 and no connect anywhere gets it,
 * and who sets SO_REUSEADDR, as servers do, may listen to it, end, and listen again. */
int held_port(void);
