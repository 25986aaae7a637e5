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
#define SUBJECT_LEAVE "tonearm.leave"

#define HEADER_EDGE "x-tonearm-edge" /* the secret that proves the edge */
#define HEADER_REQUEST_ID "x-request-id"
#define HEADER_DEADLINE "tonearm-deadline" /* NATS: unix ms after which nobody waits */
