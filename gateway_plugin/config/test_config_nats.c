/* Services that end at a NATS subject, as the file says them. */
#include "config/config_text.h"
#include "subject/nats_subject.h"

#include <criterion/criterion.h>
#include <string.h>

static struct arena arena;

static void teardown(void)
{
    arena_free(&arena);
}

TestSuite(config_nats, .fini = teardown);

static const char *faults_of(const char *url, const char *path)
{
    return config_faults(&arena, arena_printf(&arena,
                                              "_format_version: '3.0'\n"
                                              "services:\n"
                                              "  - name: a\n"
                                              "    url: '%s'\n"
                                              "    routes:\n"
                                              "      - {name: r, paths: [%s]}\n",
                                              url, path));
}

Test(config_nats, a_service_may_be_a_subject)
{
    const char *faults;
    struct config *config = config_from(&arena,
                                        "_format_version: '3.0'\n"
                                        "services:\n"
                                        "  - {name: a, url: 'nats://media.track.get', read_timeout: 500}\n"
                                        "routes:\n"
                                        "  - {name: r, service: a, paths: [/t]}\n",
                                        &faults);
    cr_assert_not_null(config, "%s", faults);
    cr_expect_str_eq(nats_subject_text(config->services->subject), "media.track.get");
    cr_expect_null(config->services->host);
    cr_expect_null(config->upstreams, "nobody is looked for");
    config_unref(config);
}

Test(config_nats, what_is_wrong_with_a_subject_is_said_with_its_line)
{
    cr_expect_str_eq(faults_of("nats://a.*", "/a"),
                     "f.yml:4: services[0].url: its subject: a wildcard is nobody's subject\n");
    cr_expect_str_eq(faults_of("nats://", "/a"),
                     "f.yml:4: services[0].url: its subject: a subject has 1 to 255 characters\n");
    cr_expect_str_eq(faults_of("nats://a.{id}", "/a"),
                     "f.yml:6: routes.paths: \"/a\" does not say what {id} of nats://a.{id} is: /.../{id} does, and "
                     "~/.../(?<id>[^/]+)$\n");
    cr_expect_str_eq(
        faults_of("nats://a.{id}", "'/a/{id}', '/b/{other}'"),
        "f.yml:6: routes.paths: \"/b/{other}\" does not say what {id} of nats://a.{id} is: /.../{id} does, "
        "and ~/.../(?<id>[^/]+)$\n");
    cr_expect_str_eq(faults_of("nats://a.{id}", "'/a/{id}', '~/b/(?<id>\\d+)$'"), "");
    cr_expect_str_eq(faults_of("nats://a.{1}", "'~/b/(\\d+)$'"), "");
    cr_expect(strstr(faults_of("nats://a.{2}", "'~/b/(\\d+)$'"), "does not say what {2}"));
}
