#pragma once
/* Names that more than one process knows. Nobody writes them a second time. */

#define SUBJECT_VALIDATE_TOKEN "auth.validate.token"
#define SUBJECT_VALIDATE_ROLE "auth.validate.role"
#define SUBJECT_VALIDATE_APIKEY "auth.validate.apikey"
#define SUBJECT_PROFILE_USER "auth.profile.user"
#define SUBJECT_PROFILE_USERS "auth.profile.users"
#define SUBJECT_JWKS "auth.jwks"
#define SUBJECT_TRACK_GET "media.track.get"
#define SUBJECT_SEARCH "media.search"
#define SUBJECT_OTP_VERIFY "event.otp.verify" /* stream OTP: for notify alone */
#define SUBJECT_OTP_RESET "event.otp.reset"
#define SUBJECT_OTP_NOBODY "event.otp.nobody" /* a code for no account: written as others are, and sent nowhere */
#define SUBJECT_LEAVE "tonearm.leave"

#define HEADER_EDGE "x-tonearm-edge" /* the secret that proves the edge */
#define HEADER_REQUEST_ID "x-request-id"
#define HEADER_DEADLINE "tonearm-deadline" /* NATS: unix ms after which nobody waits */

/* NATS, from a route of the edge that ends at a subject */
#define HEADER_METHOD "tonearm-method" /* of the request */
#define HEADER_PATH "tonearm-path"     /* with the query */
#define HEADER_FIELDS                                                                                                  \
    "tonearm-fields"                   /* names by comma: members of the message that stood in the address, as texts   \
                                        */
#define HEADER_STATUS "tonearm-status" /* of an answer: 200 to 599 */
