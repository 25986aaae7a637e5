/* A program of its own: so many sessions take FerretDB minutes, and the rule is not the store's. */
#include "auth_fixture.h"
#include "base/random.h"
#include "session/session_store.h"

TestSuite(session_bound, .init = auth_start, .fini = auth_stop, .timeout = 60);

static bool opens(const struct person *person)
{
    return CALL(GET, "/profile/mine", .token = person->access).status == 200;
}

static void add_sessions(const struct user *user, size_t count)
{
    struct arena *arena = &fixture.ctx.arena;
    struct session *added = arena_array(arena, struct session, count);
    struct write *writes = arena_array(arena, struct write, count);
    for (size_t i = 0; i < count; i++) {
        added[i] = (struct session){ .doc.id = id_new(arena),
                                     .user_id = user->doc.id,
                                     .epoch = 1,
                                     .created_at = clock_now_ms(),
                                     .expires_at = clock_now_ms() + 1000000 };
        writes[i] = (struct write){ WRITE_INSERT, &session_collection, &added[i] };
    }
    cr_assert(store_write_many(&fixture.ctx, fixture.store, writes, count));
}

/* One sign-in in sixteen looks: 250 sign-ins do without a look once in ten million runs. */
Test(session_bound, of_one_user_are_bounded)
{
    const struct sessions *sessions = &fixture.parts.sessions;
    struct person ann = signup("ann");
    struct user *user = user_get(&fixture.ctx, &fixture.parts.users, ann.id);
    for (int i = 0; i < 4; i++)
        add_sessions(user, 300);
    for (int i = 0; i < 250; i++)
        cr_assert(session_begin(&fixture.ctx, sessions, user, &(struct device){ "many", "192.0.2.8" }, "password"));
    size_t count = 0;
    struct page page = { 0 };
    do {
        cr_assert(session_store_of(&fixture.ctx, fixture.store, ann.id, false, page.next, &page));
        for (size_t i = 0; i < page.count; i++)
            count += !((struct session *)page.items)[i].revoked_at;
    } while (page.next);
    cr_expect_leq(count, 1100, "%zu", count);
    cr_expect_geq(count, 900);
    cr_expect_not(opens(&ann), "the oldest goes first");
}
