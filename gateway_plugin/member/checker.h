#pragma once
/*
 * Active health checks: a thread that probes members when they are due. All
 * processes of the edge have one and share what is due, so that each member is
 * probed by one of them, and by another when that one has died.
 */
#include <stdbool.h>

struct checker;
struct discovery;

struct checker *checker_create(struct discovery *discovery);
/* Before the discovery goes. NULL is fine. */
void checker_destroy(struct checker *checker);
