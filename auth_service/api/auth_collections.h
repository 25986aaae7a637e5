#pragma once
#include "store/store.h"

/* All that auth keeps: for store_open(), of the service and of the command line. Ends with NULL. */
extern const struct collection *const auth_collections[];
