#include "exchange/caller.h"

#include "exchange/exchange.h"

/* What has run, then what is still to come. */
static void choose_plugins(struct exchange *x)
{
    const struct kong_consumer *consumer = x->identity.consumer;
    size_t run = x->chain_at, own = consumer ? consumer->plugin_count : 0;
    if (!own && x->chain == x->route->chain)
        return;
    const struct kong_plugin **chain = h2o_mem_alloc_pool(&x->req->pool,
                                                          sizeof *chain * (run + x->route->chain_length + own + 1));
    memcpy(chain, x->chain, sizeof *chain * run);
    config_chain(x->route, consumer, x->chain[run - 1]->order, chain + run);
    x->chain = chain;
}

void exchange_identify(struct exchange *x, const struct identity *who)
{
    x->identity = *who;
    choose_plugins(x);
}

void exchange_identify_consumer(struct exchange *x, const struct kong_consumer *consumer, const char *credential)
{
    const char *name = consumer->username ? consumer->username : consumer->custom_id;
    exchange_identify(x, &(struct identity){ .id = consumer->id,
                                             .name = name,
                                             .custom_id = consumer->custom_id,
                                             .credential = credential,
                                             .consumer = consumer,
                                             .anonymous = !credential });
}

void anonymous_link(struct anonymous *anonymous, struct faults *faults, const struct config *config,
                    const struct kong_plugin *row)
{
    if (!anonymous->name)
        return;
    anonymous->consumer = config_consumer(config, anonymous->name);
    if (!anonymous->consumer)
        fault(faults, row->line, "plugins.config.anonymous", "\"%s\" is no consumer of this file", anonymous->name);
}

bool anonymous_satisfied(const struct exchange *x, const struct anonymous *anonymous)
{
    return anonymous->consumer && x->identity.credential;
}

bool anonymous_takes(struct exchange *x, const struct anonymous *anonymous)
{
    if (anonymous->consumer)
        exchange_identify_consumer(x, anonymous->consumer, NULL);
    return anonymous->consumer;
}
