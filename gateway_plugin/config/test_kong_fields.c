/* Every field of Kong's schemas (3.9) stands in a table of the edge: used, or refused by name. */
#include "config/kong.h"
#include "config/kong_docs.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* As Kong's schema has them, by spaces; those below a record with its path. */
static const struct {
    const char *plugin, *fields;
} plugin_fields[] = {
    { "key-auth",
      "key_names hide_credentials anonymous key_in_header key_in_query key_in_body run_on_preflight realm" },
    { "acl", "allow deny hide_groups_header always_use_authenticated_groups include_consumer_groups" },
    { "jwt", "uri_param_names cookie_names key_claim_name secret_is_base64 claims_to_verify anonymous run_on_preflight "
             "maximum_expiration header_names realm" },
    { "rate-limiting",
      "second minute hour day month year limit_by header_name path policy fault_tolerant hide_client_headers error_code "
      "error_message sync_rate redis.host redis.port redis.timeout redis.username redis.password redis.database "
      "redis.ssl redis.ssl_verify redis.server_name redis_host redis_port redis_password redis_username redis_ssl "
      "redis_ssl_verify redis_server_name redis_timeout redis_database" },
    { "ip-restriction", "allow deny status message" },
    { "cors", "origins headers exposed_headers methods max_age credentials private_network preflight_continue "
              "allow_origin_absent" },
    { "correlation-id", "header_name generator echo_downstream" },
    { "request-size-limiting", "allowed_payload_size size_unit require_content_length" },
    { "request-transformer",
      "http_method remove.body remove.headers remove.querystring rename.body rename.headers rename.querystring "
      "replace.uri replace.body replace.headers replace.querystring add.body add.headers add.querystring append.body "
      "append.headers append.querystring" },
    { "response-transformer",
      "remove.json remove.headers rename.json rename.headers replace.json replace.json_types replace.headers add.json "
      "add.json_types add.headers append.json append.json_types append.headers" },
    { "proxy-cache", "response_code request_method content_type cache_ttl strategy cache_control ignore_uri_case "
                     "storage_ttl memory.dictionary_name vary_query_params vary_headers response_headers.age "
                     "response_headers.X-Cache-Status response_headers.X-Cache-Key" },
    { "prometheus", "per_consumer status_code_metrics ai_metrics latency_metrics bandwidth_metrics "
                    "upstream_health_metrics wasm_metrics" },
    { "file-log", "path reopen custom_fields_by_lua" },
    { "opentelemetry",
      "traces_endpoint logs_endpoint endpoint headers resource_attributes queue.max_batch_size queue.max_coalescing_delay "
      "queue.max_entries queue.max_bytes queue.max_retry_time queue.initial_retry_delay queue.max_retry_delay "
      "queue.concurrency_limit batch_span_count batch_flush_delay connect_timeout send_timeout read_timeout "
      "http_response_header_for_traceid header_type sampling_rate propagation.extract propagation.clear "
      "propagation.inject propagation.default_format" },
};

static const struct {
    const char *name;
    const struct option *options;
    const char *fields;
} entity_fields[] = {
    { "services", service_options,
      "id created_at updated_at name retries protocol host port path connect_timeout write_timeout read_timeout tags "
      "client_certificate tls_verify tls_verify_depth ca_certificates enabled url" },
    { "routes", route_options,
      "id created_at updated_at name protocols methods hosts paths headers https_redirect_status_code regex_priority "
      "strip_path path_handling preserve_host request_buffering response_buffering snis sources destinations tags "
      "service expression priority" },
    { "upstreams", upstream_options,
      "id created_at updated_at name algorithm hash_on hash_fallback hash_on_header hash_fallback_header hash_on_cookie "
      "hash_on_cookie_path hash_on_query_arg hash_fallback_query_arg hash_on_uri_capture hash_fallback_uri_capture "
      "slots healthchecks tags host_header client_certificate use_srv_name" },
    { "targets", target_options, "id created_at updated_at upstream target weight tags" },
    { "consumers", consumer_options, "id created_at updated_at username custom_id tags" },
    { "keyauth_credentials", key_options, "id created_at consumer key ttl tags" },
    { "acls", acl_options, "id created_at consumer group tags" },
    { "jwt_secrets", signer_options, "id created_at consumer key secret rsa_public_key algorithm tags" },
    { "certificates", certificate_options, "id created_at updated_at cert key cert_alt key_alt tags snis" },
    { "snis", sni_options, "id created_at updated_at name certificate tags" },
    { "plugins", plugin_options,
      "id name instance_name created_at updated_at route service consumer config protocols enabled tags" },
    { "the file", root_options,
      "_format_version _transform services routes upstreams targets plugins consumers certificates snis ca_certificates "
      "vaults keys key_sets consumer_groups filter_chains keyauth_credentials acls jwt_secrets basicauth_credentials "
      "hmacauth_credentials oauth2_credentials oauth2_tokens oauth2_authorization_codes sessions acme_storage "
      "parameters tags workspaces" },
};

/* By its name, below `path` where that has a dot. */
static const struct option *find(const struct option *options, const char *path)
{
    size_t size = strcspn(path, ".");
    for (; options->name; options++)
        if (strlen(options->name) == size && strncmp(options->name, path, size) == 0)
            return path[size] && options->kind == OPTION_MAP ? find(options->fields, path + size + 1) : options;
    return NULL;
}

static void check(const char *what, const struct option *options, const char *fields)
{
    char field[128];
    for (const char *at = fields; *at; at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        snprintf(field, sizeof field, "%.*s", (int)size, at);
        cr_expect_not_null(find(options, field), "%s: %s is neither used nor refused", what, field);
        at += size;
    }
}

Test(kong_fields, of_plugins_are_used_or_refused)
{
    for (size_t i = 0; i < sizeof plugin_fields / sizeof *plugin_fields; i++) {
        size_t order;
        const struct plugin *plugin = plugin_named(plugin_fields[i].plugin, &order);
        if (plugin)
            check(plugin->name, plugin->options, plugin_fields[i].fields);
    }
}

Test(kong_fields, of_entities_are_used_or_refused)
{
    for (size_t i = 0; i < sizeof entity_fields / sizeof *entity_fields; i++)
        check(entity_fields[i].name, entity_fields[i].options, entity_fields[i].fields);
}

static void check_instead(const char *what, const struct option *options)
{
    for (const struct option *option = options; option->name; option++) {
        if (option->kind == OPTION_MAP)
            check_instead(what, option->fields);
        if (option->kind == OPTION_REFUSED)
            cr_expect(option->instead && *option->instead, "%s: %s does not say what to do instead", what,
                      option->name);
    }
}

/* The defaults of every plugin can be shown. */
Test(kong_fields, stand_in_the_documents)
{
    struct arena arena = { 0 };
    struct buf out = BUF(&arena);
    kong_docs_write(&out);
    for (size_t i = 0; plugins[i]; i++)
        cr_expect(strstr(out.data, arena_printf(&arena, "\n### %s\n", plugins[i]->name)));
    arena_free(&arena);
}

/* Who meets a refusal hears what is possible. */
Test(kong_fields, that_are_refused_say_what_to_do_instead)
{
    for (size_t i = 0; plugins[i]; i++)
        check_instead(plugins[i]->name, plugins[i]->options);
    for (size_t i = 0; i < sizeof entity_fields / sizeof *entity_fields; i++)
        check_instead(entity_fields[i].name, entity_fields[i].options);
}
