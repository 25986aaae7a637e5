#include "edge_one.h"

struct edge_process edge;
struct backend *one;

const char one_config[] = "_format_version: '3.0'\n"
                          "services: [{name: one, url: 'http://127.0.0.1:%d', routes: [{name: one, paths: [/one]}]}]\n";

void one_start(const char *const *environment, const char *yaml)
{
    one = backend_start("one");
    int port = backend_port(one);
    edge_process_start(&edge, environment, yaml, port, port, port, port);
}

void teardown(void)
{
    edge_process_stop(&edge);
    backend_stop(one);
}
