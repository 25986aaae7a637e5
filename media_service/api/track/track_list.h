#pragma once
/* Pages of tracks over HTTP. */
#include "http/endpoint.h"
#include "track/track_view.h"

typedef void view_fn(const struct track *track, struct track_view *out);

/* ?status= in lower case, `otherwise` where there is none; a violation where it is no status. */
bool request_state(struct request *req, const char *otherwise, const char **state);
/* Of a list of published tracks the live version is meant, of any other the one that is worked on. */
view_fn *view_of_state(const char *state);
/* `page` holds struct track. */
struct response *respond_tracks(struct request *req, const struct page *page, view_fn *view,
                                const struct field *fields);
