#include "track/track_list.h"

#include "base/text.h"

bool request_state(struct request *req, const char *otherwise, const char **state)
{
    const char *asked = request_query(req, "status");
    *state = asked ? NULL : otherwise;
    if (!asked)
        return true;
    for (size_t i = 0; track_statuses[i]; i++) {
        const char *name = text_lower(&req->ctx.arena, track_statuses[i]);
        if (text_equal(name, asked))
            *state = name;
    }
    if (!*state)
        ctx_violation(&req->ctx, "status", "enum", "status must be one of draft, submitted, published, unpublished");
    return *state != NULL;
}

view_fn *view_of_state(const char *state)
{
    return text_equal(state, "published") ? track_view_live : track_view_working;
}

struct response *respond_tracks(struct request *req, const struct page *page, view_fn *view, const struct field *fields)
{
    const struct track *tracks = page->items;
    struct track_view *views = arena_array(&req->ctx.arena, struct track_view, page->count + 1);
    for (size_t i = 0; i < page->count; i++)
        view(&tracks[i], &views[i]);
    return respond_page(req, "success", fields, views, sizeof *views, page->count, page->next);
}
