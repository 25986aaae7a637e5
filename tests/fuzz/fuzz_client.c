/*
 * Who a client is behind proxies, how it asked, and which origin a page has:
 * headers that anybody may write. A stranger's are worth nothing; of a list only
 * its end counts; an origin that only looks like one that is let in is not.
 */
#include "client/client.h"
#include "transform/cors_origin.h"
#include "process/edge.h"
#include "exchange/exchange.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stand {
    struct exchange x;
    struct conn conn;
    struct loop loop;
    struct edge edge;
    h2o_req_t req;
};

static void add(struct stand *stand, const char *name, const char *value)
{
    h2o_add_header_by_str(&stand->req.pool, &stand->req.headers, name, strlen(name), 1, NULL, value, strlen(value));
}

static struct stand *stand_make(const char *peer)
{
    struct stand *stand = calloc(1, sizeof *stand);
    h2o_mem_init_pool(&stand->req.pool);
    stand->req.input.authority = h2o_iovec_init(H2O_STRLIT("edge.example:8000"));
    must_hold(nets_parse("10.0.0.0/8,fd00::/8", &stand->edge.trusted), "these are nets");
    must_hold(digits_parse(peer, &stand->conn.peer_address), "this is an address");
    strcpy(stand->conn.peer, peer);
    stand->conn.peer_size = strlen(peer);
    stand->loop.edge = &stand->edge;
    stand->x.loop = &stand->loop;
    stand->x.conn = &stand->conn;
    stand->x.req = &stand->req;
    return stand;
}

static void stand_free(struct stand *stand)
{
    h2o_mem_clear_pool(&stand->req.pool);
    free(stand);
}

/* Who it is where these two headers were sent by this peer. */
static struct client client_behind(const char *peer, const char *first, const char *second)
{
    struct stand *stand = stand_make(peer);
    add(stand, "x-forwarded-for", first);
    add(stand, "accept", "x");
    add(stand, "x-forwarded-for", second);
    const struct client *client = client_of(&stand->x);
    must_hold(client != NULL, "a peer with an address is known");
    struct client out = *client;
    struct in6_addr again;
    must_hold(digits_parse(out.text, &again) && IN6_ARE_ADDR_EQUAL(&again, &out.address), "its text is its address");
    stand_free(stand);
    return out;
}

static bool is(const struct client *client, const char *text)
{
    return strcmp(client->text, text) == 0;
}

static void check_client(const char *first, const char *second)
{
    struct client stranger = client_behind("192.0.2.1", first, second);
    must_hold(is(&stranger, "192.0.2.1") && !stranger.behind, "a stranger speaks for himself");
    struct client client = client_behind("10.0.0.1", first, second);
    char *longer = malloc(strlen(second) + 32);
    sprintf(longer, "%s, 192.0.2.9", second);
    struct client last = client_behind("10.0.0.1", first, longer);
    must_hold(is(&last, "192.0.2.9"), "a stranger at the end is the client, whoever he names");
    sprintf(longer, "%s, 10.1.1.1", second);
    last = client_behind("10.0.0.1", first, longer);
    must_hold(is(&last, client.text) || is(&client, "10.0.0.1"), "one more who is trusted changes nothing");
    sprintf(longer, "%s, nobody", second);
    last = client_behind("10.0.0.1", first, longer);
    must_hold(is(&last, "10.0.0.1"), "what cannot be read hides what stands before it");
    free(longer);
}

static void check_asked(const char *scheme, const char *host, const char *port)
{
    for (int trusted = 0; trusted < 2; trusted++) {
        struct stand *stand = stand_make(trusted ? "10.0.0.1" : "192.0.2.1");
        add(stand, "x-forwarded-proto", scheme);
        add(stand, "x-forwarded-host", host);
        add(stand, "x-forwarded-port", port);
        client_look(&stand->x); /* as exchange.c does for every request */
        h2o_iovec_t asked = client_host(&stand->x), number = client_port(&stand->x);
        must_hold(client_tls(&stand->x) == (trusted && strcasecmp(scheme, "https") == 0),
                  "TLS is what is said to be it");
        must_hold(is_authority(asked.base, asked.len), "a host is one");
        must_hold(trusted || (asked.base == stand->req.input.authority.base && !number.len), "strangers are not heard");
        must_hold(!number.len || (atoi(port) > 0 && strspn(port, "0123456789") == number.len), "a port is a number");
        stand_free(stand);
    }
}

static void check_origin(const char *text)
{
    struct arena arena = { 0 };
    struct sent_origin sent = sent_origin_read(text, strlen(text));
    must_hold(sent.host >= text && sent.host + sent.host_size <= text + strlen(text), "a host lies in its origin");
    struct cors_origin whole = cors_origin_make(&arena, "https://a.example"),
                       host = cors_origin_make(&arena, "a.example"),
                       pattern = cors_origin_make(&arena, "https://([a-z]+[.])?a[.]example");
    bool same = strcmp(text, "https://a.example") == 0 || strcmp(text, "https://a.example:443") == 0;
    must_hold(cors_origin_fits(&whole, &sent) == same, "an origin fits itself");
    must_hold(!same || cors_origin_fits(&host, &sent), "and its host");
    if (cors_origin_fits(&host, &sent)) {
        const char *slashes = strstr(text, "//"), *at = strstr(slashes ? slashes : text, "a.example");
        must_hold(at && (at == text || at[-1] == '/') && (at[9] == 0 || at[9] == ':'), "a host is the whole host");
    }
    if (cors_origin_fits(&pattern, &sent))
        must_hold(strncmp(text, "https://", 8) == 0 && sent.size >= 17 &&
                      memcmp(text + sent.size - 9, "a.example", 9) == 0,
                  "a pattern fits from beginning to end");
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = INPUT(data, size);
    char *texts[6];
    for (int i = 0; i < 6; i++)
        texts[i] = input_text(&input);
    check_client(texts[0], texts[1]);
    check_asked(texts[2], texts[3], texts[4]);
    check_origin(texts[5]);
    for (int i = 0; i < 6; i++)
        free(texts[i]);
    return 0;
}
