#pragma once
#include "app_password/app_password.h"
#include "http/route.h"

extern const struct route app_password_routes[]; /* with a struct app_passwords */
