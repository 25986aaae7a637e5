#pragma once
/* The bed of most tests: one edge before one member. */
#include "edge_backend.h"
#include "edge_fixture.h"

extern struct edge_process edge;
extern struct backend *one;
/* A configuration: /one is the member's. */
extern const char one_config[];

/* `yaml` names the member's port by %d, four times at the most. `environment`: as edge_process_start() has it. */
void one_start(const char *const *environment, const char *yaml);
/* Ends both. */
void teardown(void);
