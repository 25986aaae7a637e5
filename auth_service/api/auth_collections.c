#include "auth_collections.h"

#include "apikey/apikeys_store.h"
#include "key/signing_key_store.h"
#include "role/role_store.h"
#include "session/session_store.h"
#include "user/user_store.h"

const struct collection *const auth_collections[] = {
    &apikey_collection, &role_collection, &session_collection, &signing_key_collection, &user_collection, NULL,
};
