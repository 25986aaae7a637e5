#include "provider_fixture.h"

#include "base/buf.h"
#include "base/text.h"

#include <criterion/criterion.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 8 };

static const char *binary(char *out, size_t size)
{
    const char *root = getenv("ROOT"), *bin = getenv("TEST_BIN"); /* of the mutants, whose ROOT has no programs */
    snprintf(out, size, "%s%s/mockoidc", bin ? bin : root ? root : ".", bin ? "" : "/run/bin");
    return out;
}

static void run(const char *program, const char *const *arguments, int out)
{
    const char *argv[ARGUMENTS_MAX + 2] = { program };
    for (int i = 0; i < ARGUMENTS_MAX && arguments && arguments[i]; i++)
        argv[i + 1] = arguments[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, 1);
    execv(program, (char *const *)argv);
    _exit(127);
}

/* Waits for its line "ready on ADDR". */
static void await(struct provider *provider, int in, const char *scheme)
{
    char line[128] = "";
    FILE *lines = fdopen(in, "r");
    cr_assert(lines && fgets(line, sizeof line, lines) && text_starts(line, "ready on "), "mockoidc did not start");
    line[strcspn(line, "\n")] = 0;
    snprintf(provider->base, sizeof provider->base, "%s://%.50s", scheme, line + strlen("ready on "));
    snprintf(provider->issuer, sizeof provider->issuer, "%s/oidc", provider->base);
    fclose(lines);
}

void provider_start(struct provider *provider, const char *const *arguments)
{
    char program[512];
    int out[2];
    if (access(binary(program, sizeof program), X_OK) != 0) {
        cr_assert(!text_equal(getenv("CI"), "true"), "%s is not there", program);
        cr_skip_test("%s is not there", program);
    }
    cr_assert(pipe2(out, O_CLOEXEC) == 0);
    provider->pid = fork();
    cr_assert_geq(provider->pid, 0);
    if (provider->pid == 0)
        run(program, arguments, out[1]);
    close(out[1]);
    await(provider, out[0], arguments && text_equal(arguments[0], "-cert") ? "https" : "http");
}

void provider_stop(struct provider *provider)
{
    if (provider->pid <= 0)
        return;
    kill(provider->pid, SIGKILL);
    waitpid(provider->pid, NULL, 0);
    provider->pid = 0;
}

static size_t take(char *data, size_t size, size_t count, void *self)
{
    buf_add(self, data, size * count);
    return size * count;
}

json_t *provider_control(const struct provider *provider, const char *name, const char *json)
{
    struct arena arena = { 0 };
    struct buf body = BUF(&arena);
    CURL *curl = curl_easy_init();
    long status = 0;
    curl_easy_setopt(curl, CURLOPT_URL, arena_printf(&arena, "%s/control/%s", provider->base, name));
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* its own certificate, and it is this machine */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    cr_assert(code == CURLE_OK && status == 200, "%s %s: %s, status %ld: %s", name, json, curl_easy_strerror(code),
              status, body.data ? body.data : "");
    json_t *answer = json_loads(body.data, 0, NULL);
    cr_assert_not_null(answer);
    curl_easy_cleanup(curl);
    arena_free(&arena);
    return answer;
}

void provider_do(const struct provider *provider, const char *name, const char *json)
{
    json_decref(provider_control(provider, name, json));
}

char *provider_token(const struct provider *provider, const char *wish)
{
    json_t *answer = provider_control(provider, "token", wish);
    char *token = strdup(json_string_value(json_object_get(answer, "token")));
    json_decref(answer);
    return token;
}

int provider_asked_keys(const struct provider *provider)
{
    json_t *asked = provider_control(provider, "asked", "{}");
    int count = (int)json_integer_value(json_object_get(asked, "/oidc/.well-known/jwks.json"));
    json_decref(asked);
    return count;
}

void provider_answer(const struct provider *provider, int status)
{
    static const char *const paths[] = { "jwks.json", "openid-configuration" };
    for (int i = 0; i < 2; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"path\":\"/oidc/.well-known/%s\",\"status\":%d}", paths[i], status);
        provider_do(provider, "answer", json);
    }
}
