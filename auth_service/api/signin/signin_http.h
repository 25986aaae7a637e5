#pragma once
#include "http/route.h"
#include "signin/signin.h"

extern const struct field signed_in_fields[]; /* of a struct signed_in */
extern const struct route signin_routes[];    /* with a struct signin */
