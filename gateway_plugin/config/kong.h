#pragma once
/* The entities of Kong's file, each by its table of fields. Internal to config/. */
#include "config/config.h"

struct kong_reader {
    struct config *config;
    struct faults *faults;
    struct kong_service **last_service;
    struct kong_route **last_route;
    struct kong_upstream **last_upstream;
    struct kong_plugin **last_plugin;
    struct kong_consumer **last_consumer;
};

/* From nodes to entities; references by name are left as names. */
void kong_read(struct kong_reader *reader, const struct node *root);
/* Names to pointers; what does not fit together is a fault. */
void kong_link(struct kong_reader *reader);

/* The fields of each entity. */
extern const struct option service_options[], route_options[], upstream_options[], target_options[], health_options[],
    passive_options[], healthy_options[], unhealthy_options[], plugin_options[], consumer_options[], key_options[],
    root_options[];

/* A path in normal form, without escapes: what a request's path is compared with. */
bool is_route_path(const char *text);
bool is_host(const char *text);
