#pragma once
#include "store/migrate.h"

/* All that auth keeps: for store_open(), of the service and of the command line. Ends with NULL. */
extern const struct collection *const auth_collections[];
extern const struct migration_step auth_steps[]; /* that auth's migrations name */
