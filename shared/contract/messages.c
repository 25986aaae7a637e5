#include "contract/messages.h"

const struct field validate_token_fields[] = {
    FIELD("accessToken", TEXT, struct validate_token, access_token, .required = true, .min = 1, .max = 8192,
          .sensitive = true),
    { 0 },
};

const struct field public_user_fields[] = {
    FIELD("id", ID, struct public_user, id, .required = true),
    FIELD("name", TEXT, struct public_user, name, .always = true),
    FIELD("profilePicUrl", TEXT, struct public_user, picture, .always = true),
    { 0 },
};

const struct field private_user_fields[] = {
    FIELD("id", ID, struct public_user, id, .required = true),
    FIELD("name", TEXT, struct public_user, name, .always = true),
    FIELD("email", TEXT, struct public_user, email, .always = true),
    FIELD("profilePicUrl", TEXT, struct public_user, picture, .always = true),
    { 0 },
};

const struct field role_ref_fields[] = {
    FIELD("id", ID, struct role_ref, id, .required = true),
    FIELD("code", TEXT, struct role_ref, code, .required = true),
    { 0 },
};

const struct field valid_token_fields[] = {
    FIELD("user", RECORD, struct valid_token, user, .required = true, .record = private_user_fields,
          .item_size = sizeof(struct public_user)),
    FIELD("roles", LIST, struct valid_token, roles, .item = RECORD, .item_size = sizeof(struct role_ref),
          .record = role_ref_fields, .always = true),
    FIELD("sessionId", ID, struct valid_token, session_id, .required = true),
    FIELD("userVersion", INTEGER, struct valid_token, user_version, .required = true, .always = true),
    FIELD("expiresAt", TIME, struct valid_token, expires_at, .required = true),
    FIELD("rolesVersion", INTEGER, struct valid_token, roles_version),
    { 0 },
};

const struct field validate_role_fields[] = {
    FIELD("userId", ID, struct validate_role, user_id, .required = true, .min = 1, .max = 64),
    FIELD("roles", LIST, struct validate_role, roles, .item = TEXT, .required = true, .min = 1, .max = 16,
          .doc = "any of these; one with a colon is a permission"),
    { 0 },
};

const struct field valid_role_fields[] = {
    FIELD("hasRole", FLAG, struct valid_role, has_role, .required = true),
    FIELD("roles", LIST, struct valid_role, roles, .item = TEXT, .always = true),
    FIELD("rolesVersion", INTEGER, struct valid_role, roles_version),
    { 0 },
};

const struct field validate_apikey_fields[] = {
    FIELD("key", TEXT, struct validate_apikey, key, .required = true, .min = 1, .max = 256, .sensitive = true),
    { 0 },
};

const struct field valid_apikey_fields[] = {
    FIELD("id", ID, struct valid_apikey, id, .required = true),
    FIELD("name", TEXT, struct valid_apikey, name, .always = true),
    FIELD("scopes", LIST, struct valid_apikey, scopes, .item = TEXT, .always = true),
    FIELD("rate", INTEGER, struct valid_apikey, rate, .always = true),
    FIELD("expiresAt", TIME, struct valid_apikey, expires_at, .always = true),
    { 0 },
};

const struct field by_id_fields[] = {
    FIELD("id", ID, struct by_id, id, .required = true, .min = 1, .max = 64),
    { 0 },
};

const struct field by_ids_fields[] = {
    FIELD("ids", LIST, struct by_ids, ids, .item = ID, .required = true, .min = 1, .max = 100),
    { 0 },
};

const struct field public_users_fields[] = {
    FIELD("users", LIST, struct public_users, users, .item = RECORD, .item_size = sizeof(struct public_user),
          .record = public_user_fields, .always = true),
    { 0 },
};

const struct field revocation_fields[] = {
    FIELD("id", ID, struct revocation, id, .required = true, .min = 1, .max = 64),
    FIELD("version", INTEGER, struct revocation, version, .always = true),
    { 0 },
};

const struct field otp_message_fields[] = {
    FIELD("userId", ID, struct otp_message, user_id, .required = true),
    FIELD("email", TEXT, struct otp_message, email, .required = true, .sensitive = true),
    FIELD("name", TEXT, struct otp_message, name, .always = true),
    FIELD("locale", TEXT, struct otp_message, locale, .required = true),
    FIELD("code", TEXT, struct otp_message, code, .required = true, .sensitive = true),
    FIELD("expiresAt", TIME, struct otp_message, expires_at, .required = true),
    { 0 },
};
