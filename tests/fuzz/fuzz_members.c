/*
 * What the edge reads of messages: who says that it is a member, and what auth
 * says of a key. A member lies in the nets that are allowed; a key reaches what
 * its scopes name and nothing else.
 */
#include "member/balancer.h"
#include "member/discovery.h"
#include "fuzz_net.h"
#include "apikey/grant.h"
#include "client/netmask.h"
#include "apikey/rates.h"
#include "member/vitals.h"

#include <stdlib.h>
#include <string.h>

static const char text[] = "_format_version: '3.0'\n"
                           "upstreams: [{name: auth, targets: [{target: 'nats:auth'}]}]\n"
                           "services: [{name: auth, host: auth, routes: [{paths: [/auth]}]}]\n";

static struct config *config_make(struct arena *arena)
{
    struct faults faults = FAULTS(arena, "fuzz.yml");
    struct config *config = config_read(&faults, text, strlen(text));
    must_hold(config != NULL, "this is a configuration");
    return config;
}

static void check_member(void *self, struct member *member, int64_t weight)
{
    const struct nets *nets = self;
    must_hold(nets_hold(nets, &member->address), "a member lies in the nets");
    must_hold(member->ours && *member->id && *member->name && weight >= 0, "and says who it is");
}

struct message {
    const char *subject;
    const char *data;
};

static natsMsg *message_make(void *self)
{
    const struct message *message = self;
    natsMsg *msg = NULL;
    if (natsMsg_Create(&msg, message->subject, NULL, message->data, (int)strlen(message->data)) != NATS_OK)
        abort();
    return msg;
}

/* listening->subject has a wildcard where the name of the service stands. */
static void say(struct bus *bus, const char *listened, const char *subject, const char *data)
{
    must_hold(fuzz_bus_deliver(bus, listened, message_make, &(struct message){ subject, data }), "the edge listens");
}

static void check_members(struct input *input)
{
    struct ctx ctx = { .request_id = "" };
    struct nets nets;
    must_hold(nets_parse("127.0.0.0/8,fd00::/8", &nets), "these are nets");
    struct bus *bus = fuzz_bus_open();
    struct vitals_table *vitals = vitals_table_create();
    struct discovery *discovery = discovery_create(
        &ctx, &(struct discovery_options){ .bus = bus, .nets = &nets, .loops = 1, .vitals = vitals });
    struct config *config = config_make(&ctx.arena);
    must_hold(discovery != NULL, "discovery can be started");
    discovery_use(discovery, config);
    const char *inbox = bus_inbox(bus);
    char *listened = arena_printf(&ctx.arena, "%s.members.*", inbox);
    char *ours = arena_printf(&ctx.arena, "%s.members.auth", inbox);
    while (input_left(input)) {
        unsigned how = input_byte(input);
        char *data = input_text(input);
        if (how & 1)
            say(bus, "tonearm.leave", "tonearm.leave", data);
        else
            say(bus, listened, ours, data);
        free(data);
    }
    upstream_each(config->upstreams->live, check_member, &nets);
    discovery_stop(discovery);
    bus_close(bus, 0);
    discovery_destroy(discovery);
    config_unref(config);
    vitals_table_destroy(vitals);
    ctx_finish(&ctx);
}

/* By what the contract says: GENERAL, or the path itself, or what lies below it. */
static bool reaches(const char *scope, const char *path, size_t size)
{
    size_t length = strlen(scope);
    while (length > 1 && scope[length - 1] == '/')
        length--;
    if (strcmp(scope, "GENERAL") == 0)
        return true;
    if (*scope != '/' || length > size || memcmp(scope, path, length) != 0)
        return false;
    return length == 1 || length == size || path[length] == '/';
}

static void check_grant(struct input *input)
{
    char *path = input_text(input);
    size_t left = input_left(input);
    char *data = input_copy(input->at, left);
    struct grant *grant = grant_read(data, left);
    if (grant) {
        must_hold(grant->id != NULL && grant->name != NULL, "a grant has an id");
        bool any = false;
        for (const char *const *scope = grant->scopes; *scope; scope++)
            any |= reaches(*scope, path, strlen(path));
        must_hold(*path != '/' || grant_reaches(grant, path, strlen(path)) == any,
                  "a key reaches what its scopes name");
        static struct rates *rates;
        int64_t remaining, reset_s;
        rates = rates ? rates : rates_create();
        grant_join(grant, rates);
        grant_take(grant, 1000, &remaining, &reset_s);
        must_hold(remaining >= 0 && reset_s >= 0, "what is left is not less than nothing");
    }
    grant_unref(grant);
    free(data);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    if (input_byte(&input) & 1)
        check_members(&input);
    else
        check_grant(&input);
    return 0;
}
