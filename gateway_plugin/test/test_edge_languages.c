/* What the edge itself has to say, in the client's language. */
#include "edge_one.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const char config[] =
    "_format_version: '3.0'\n"
    "services:\n"
    "  - name: s\n"
    "    url: http://127.0.0.1:%d\n"
    "    routes:\n"
    "      - {name: open, paths: [/open]}\n"
    "      - {name: keyed, paths: [/keyed], plugins: [{name: key-auth}]}\n"
    "      - {name: out, paths: [/out], plugins: [{name: ip-restriction, config: {deny: [127.0.0.1]}}]}\n"
    "      - {name: own, paths: [/own], plugins: [{name: ip-restriction, config: {deny: [127.0.0.1], message: 'ni hablar'}}]}\n"
    "      - {name: signed, paths: [/signed], plugins: [{name: jwt}]}\n";

static void setup(void)
{
    one_start(NULL, config);
}

TestSuite(edge_languages, .timeout = 60);

static void expect(const char *path, const char *headers, const char *text)
{
    char *answer = get(edge.port, path, headers);
    cr_expect(has(answer, text), "%s, %s: no %s in %s", path, headers, text, answer);
    free(answer);
}

EDGE_TEST(edge_languages, tells_it_as_the_client_asked)
{
    static const struct {
        const char *headers, *message, *language;
    } cases[] = {
        { "", "\"message\":\"nothing is served at this path\"", "en" },
        { "Accept-Language: de-CH\r\n", "\"message\":\"Unter diesem Pfad gibt es nichts\"", "de" },
        { "Accept-Language: en;q=0.5, es\r\n", "\"message\":\"No se sirve nada en esta ruta\"", "es" },
        { "Accept-Language: fr\r\n", "\"message\":\"Rien n'est servi à ce chemin\"", "fr" },
        { "Accept-Language: hi-IN, en\r\n", "\"message\":\"इस पथ पर कुछ उपलब्ध नहीं है\"", "hi" },
        { "Accept-Language: ja\r\n", "\"message\":\"このパスでは何も提供されていません\"", "ja" },
        { "Accept-Language: zh-Hant-TW\r\n", "\"message\":\"此路径下没有任何服务\"", "zh" },
        { "Accept-Language: xx\r\n", "\"message\":\"nothing is served at this path\"", "en" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[64];
        snprintf(header, sizeof header, "content-language: %s\r\n", cases[i].language);
        expect("/nowhere", cases[i].headers, cases[i].message);
        expect("/nowhere", cases[i].headers, header);
        expect("/nowhere", cases[i].headers, "vary: accept-language\r\n");
    }
    expect("/nowhere?a=b&locale=fr-CA", "Accept-Language: de\r\n", "Rien n'est servi");
    expect("/nowhere?locale=xx&a=b", "Accept-Language: de\r\n", "Unter diesem Pfad");
    expect("/nowhere?nolocale=fr", "Accept-Language: de\r\n", "Unter diesem Pfad");
    expect("/nowhere?locale=", "", "nothing is served");
}

EDGE_TEST(edge_languages, plugins_tell_it_too)
{
    expect("/keyed/", "Accept-Language: de\r\n", "\"message\":\"Die Anfrage enthält keinen API-Schlüssel\"");
    expect("/out/", "Accept-Language: de\r\n", "\"message\":\"IP-Adresse nicht zugelassen: 127.0.0.1\"");
    expect("/out/", "Accept-Language: de\r\n", "content-language: de\r\n");
    expect("/signed/", "Accept-Language: de\r\nAuthorization: Bearer x.y.z\r\n",
           "\"message\":\"Ungültiges Token; ungültiges JSON\"");
    expect("/own/", "Accept-Language: de\r\n", "\"message\":\"ni hablar\"");
    char *answer = get(edge.port, "/own/", "Accept-Language: de\r\n");
    cr_expect_not(has(answer, "content-language"), "nobody told us which it is: %s", answer);
    free(answer);
    /* What a service says is the service's. */
    answer = get(edge.port, "/open/", "Accept-Language: de\r\n");
    cr_expect(has(answer, "accept-language: de\r\n"), "it is told what was asked for: %s", answer);
    free(answer);
}

EDGE_TEST(edge_languages, who_is_refused_before_a_request_is_one_is_told_too)
{
    char *answer = ask(edge.port, "GET /?locale=es HTTP/1.1\r\nHost: a\r\nAccept-Language: de\r\nHost: b\r\n\r\n");
    cr_expect(has(answer, "\"message\":\"Host aparece dos veces\""), "%s", answer);
    cr_expect(has(answer, "Content-Language: es\r\n"), "%s", answer);
    free(answer);
    answer = ask(edge.port, "GET / HTTP/1.1\r\nHost: a\r\naccept-language:fr\r\nHost: b\r\n\r\n");
    cr_expect(has(answer, "\"message\":\"Host figure deux fois\""), "%s", answer);
    free(answer);
    answer = ask(edge.port, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\naccept-language: fr\r\n");
    cr_expect(has(answer, "\"message\":\"Host stands twice\""), "%s", answer);
    free(answer);
}
