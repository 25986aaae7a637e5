#include "auth_collections.h"

#include "apikey/apikeys_store.h"
#include "app_password/app_password_store.h"
#include "audit/audit_store.h"
#include "code/code_store.h"
#include "key/signing_key_store.h"
#include "oauth/oauth_used.h"
#include "role/role_store.h"
#include "session/session_store.h"
#include "user/user_store.h"

const struct migration_step auth_steps[] = {
    { "permissions of the four roles", role_store_seed_permissions },
    { 0 },
};

const struct collection *const auth_collections[] = {
    &apikey_collection, &app_password_collection, &audit_collection,       &code_collection, &oauth_used_collection,
    &role_collection,   &session_collection,      &signing_key_collection, &user_collection, NULL,
};
