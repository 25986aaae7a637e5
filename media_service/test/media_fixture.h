#pragma once
/*
 * The parts of the media service on a store of their own, without HTTP and
 * NATS: rows of the route tables are called as a server would. The store is the
 * embedded one, or a new database of TEST_STORE_URL (mongodb://HOST:PORT).
 */
#include "http/route.h"
#include "track/tracks.h"

struct media_fixture {
    struct ctx ctx;
    char dir[64];
    struct store *store;
    struct blobs *blobs;
    struct probe *probe;
    struct tracks tracks;
    int shown;          /* how often what the public sees was changed */
    struct request req; /* the last call's */
};

/* Ends the test when something does not start. */
void media_fixture_begin(struct media_fixture *fixture);
void media_fixture_end(struct media_fixture *fixture);

/* A call of a row, as `user` (NULL: with a key only). The answer's data as JSON text, or NULL; its status in *status.
 * Body NULL = none. */
const char *media_call(struct media_fixture *fixture, const struct route *routes, const char *user, enum method method,
                       const char *path, const char *body, int *status);
/* PUT .../audio with the file behind `fd`, which is closed. */
int media_upload(struct media_fixture *fixture, const char *user, const char *id, int fd);

/* A member of a JSON object as text ("title", "artists.0.name"); NULL: not there or null. In the fixture's arena. */
const char *json_member(struct media_fixture *fixture, const char *json, const char *path);

/* Ids of new tracks in these states. */
const char *make_draft(struct media_fixture *fixture, const char *user, const char *title, const char *more);
const char *make_published(struct media_fixture *fixture, const char *user, const char *title, const char *more);
