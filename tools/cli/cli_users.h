#pragma once
#include "cli.h"
#include "user/user_store.h"

/* auth's users, as auth works on them; users->roles is to be destroyed, also where it fails. */
bool cli_open_users(struct cli *cli, struct users *users);
