/* Fields of the transformers that are refused, each with its line. */
#include "config/config_text.h"

#include <criterion/criterion.h>
#include <string.h>

static void expect_faults(const char *plugin, const char *settings, const char *want)
{
    struct arena arena = { 0 };
    const char *faults;
    const char *yaml = arena_printf(&arena,
                                    "_format_version: '3.0'\nservices: [{name: s, url: 'http://127.0.0.1:1', routes: "
                                    "[{name: r, paths: [/r]}]}]\nplugins:\n  - name: %s\n    config: {%s}\n",
                                    plugin, settings);
    struct config *read = config_from(&arena, yaml, &faults);
    cr_expect_eq(read != NULL, !*want, "%s", settings);
    cr_expect(strstr(faults, want), "%s: %s", settings, faults);
    config_unref(read);
    arena_free(&arena);
}

Test(transformers, refuses_what_it_cannot_do)
{
    static const char request[] = "request-transformer", response[] = "response-transformer";
    expect_faults(request, "http_method: HEAD", "f.yml:5: plugins[0].config.http_method: \"HEAD\" is not supported");
    expect_faults(request, "remove: {headers: ['a b']}", "f.yml:5: plugins[0].config.remove.headers: ");
    expect_faults(request, "remove: {cookies: [a]}", "f.yml:5: plugins[0].config.remove.cookies: is not a field");
    expect_faults(request, "add: {headers: [a]}", "must be NAME:VALUE");
    expect_faults(request, "add: {headers: ['a:']}", "must be NAME:VALUE");
    expect_faults(request, "add: {querystring: [a]}", "must be NAME:VALUE");
    expect_faults(request, "rename: {body: [a]}", "must be NAME:VALUE");
    expect_faults(request, "rename: {headers: ['a:b c']}", "two names of headers");
    expect_faults(request, "rename: {headers: ['a:x-consumer-id']}", "only the edge writes");
    expect_faults(request, "add: {headers: ['X-Consumer-Groups:admin']}", "only the edge writes");
    expect_faults(request, "append: {headers: ['transfer-encoding:chunked']}", "only the edge writes");
    expect_faults(request, "add: {headers: ['Host:x']}", "only the edge writes");
    expect_faults(request, "replace: {headers: ['Host:x']}", "");
    expect_faults(request, "replace: {uri: 'x'}", "must be a path");
    expect_faults(request, "replace: {uri: '/$(os.exit())'}", "must be a path");
    expect_faults(request, "add: {body: ['a:$(shared.x)']}",
                  "f.yml:5: plugins[0].config.add.body: \"a:$(shared.x)\" holds a");
    expect_faults(request, "add: {uri: /x}", "is not a field");
    expect_faults(response, "add: {headers: ['a']}", "must be NAME:VALUE");
    expect_faults(response, "remove: {headers: [Transfer-Encoding]}", "only the edge writes");
    expect_faults(response, "rename: {headers: ['a:content-length']}", "only the edge writes");
    expect_faults(response, "add: {json: ['a:1'], json_types: [integer]}", "\"integer\" is not supported");
    expect_faults(response, "add: {json: ['a:x'], json_types: [number]}",
                  "f.yml:5: plugins[0].config.add.json: \"a:x\" holds no");
    expect_faults(response, "remove: {json_types: [number]}", "is not a field");
    expect_faults(response, "remove: {body: [a]}", "is not a field");
}
