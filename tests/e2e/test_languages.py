"""Messages in seven languages, through the edge. What each language says is read from its catalogue."""

import os
import re
import uuid

from system import ROOT, Case

LANGUAGES = ("en", "de", "es", "fr", "hi", "ja", "zh")


def catalogue(language):
    with open(os.path.join(ROOT, "shared", "languages", language + ".po"), encoding="utf-8") as file:
        return dict(re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', file.read(), re.M))


TOLD = {language: catalogue(language) for language in LANGUAGES}


def asked(language):
    return {"Accept-Language": f"xx, {language}-XX;q=0.7, de;q=0.1, en;q=0.1"}


class Languages(Case):
    def says(self, answer, language, english, *arguments):
        told = TOLD[language][english]
        for argument in arguments:
            told = told.replace("%s", argument, 1)
        self.assertEqual(answer.json["message"], told, answer)
        self.assertEqual(answer.headers["Content-Language"], language)
        self.assertIn("accept-language", [name.strip().lower() for value in answer.headers.get_all("Vary") for name in value.split(",")])

    def in_each(self, method, path, body=None, **kwargs):
        for language in LANGUAGES:
            yield language, self.ask(method, path, body, headers=asked(language), **kwargs)

    def test_successes(self):
        _, tokens = self.system.person()
        for language, answer in self.in_each("GET", "/auth/profile/mine", token=tokens["accessToken"]):
            self.good(answer)
            self.says(answer, language, "success")
        for language, answer in self.in_each("GET", "/media/artists"):
            self.good(answer)
            self.says(answer, language, "success")

    def test_failures_of_auth_and_media(self):
        wrong = {"email": f"nobody{uuid.uuid4().hex[:8]}@example.com", "password": "wrong horse 1"}
        # Once: wrong passwords are counted, and after five who guesses waits.
        answer = self.ask("POST", "/auth/signin/basic", wrong, headers=asked("ja"))
        self.refused(answer, 401)
        self.says(answer, "ja", "wrong address or password")
        for language, answer in self.in_each("GET", "/media/tracks/id/nothing"):
            self.refused(answer, 404)
            self.says(answer, language, "no such track")
        for language, answer in self.in_each("GET", "/auth/nothing"):
            self.refused(answer, 404)
            self.says(answer, language, "there is nothing at this path")

    def test_what_the_edge_answers_itself(self):
        for language, answer in self.in_each("GET", "/auth/profile/mine", key=None):
            self.refused(answer, 401)
            self.says(answer, language, "No API key found in request")
        for language, answer in self.in_each("GET", "/nowhere"):
            self.refused(answer, 404)
            self.says(answer, language, "nothing is served at this path")

    def test_every_violation_by_field_and_rule(self):
        body = {"email": "nobody", "password": "short", "profilePicUrl": "javascript:alert(1)"}
        wanted = {
            ("email", "email"): ("%s must be an e-mail address", None),
            ("password", "min"): ("%s must have at least %zu characters", 8),
            ("name", "required"): ("%s is required", None),
            ("profilePicUrl", "url"): ("%s must be an http or https address", None),
        }
        for language, answer in self.in_each("POST", "/auth/signup/basic", body):
            self.refused(answer, 400)
            self.says(answer, language, "the request has invalid fields")
            told = {(e["field"], e["rule"]): e["message"] for e in answer.json["errors"]}
            for (field, rule), (english, number) in wanted.items():
                expected = TOLD[language][english].replace("%s", field).replace("%zu", str(number))
                self.assertEqual(told.get((field, rule)), expected, answer)
        for language, answer in self.in_each("GET", "/media/artists?limit=101"):
            self.refused(answer, 400, "limit", "max")
            self.assertEqual(answer.json["errors"][0]["message"], TOLD[language]["limit must be at most %d"].replace("%d", "100"))

    def test_the_query_goes_before_the_header(self):
        for language in LANGUAGES:
            with self.subTest(language=language):
                self.says(self.ask("GET", f"/media/artists?locale={language}", headers={"Accept-Language": "fr"}), language, "success")
                self.says(self.ask("GET", f"/nowhere?locale={language}", headers={"Accept-Language": "fr"}), language,
                          "nothing is served at this path")
        self.says(self.ask("GET", "/media/artists?locale=xx", headers={"Accept-Language": "zh-Hant-TW, de"}), "zh", "success")
        self.says(self.ask("GET", "/media/artists", headers={"Accept-Language": "pt-BR"}), "en", "success")
        self.says(self.ask("GET", "/media/artists"), "en", "success")

    def test_kept_answers_are_not_mixed(self):
        # Many times: the edge has two processes, and media may have replicas, each with loops that keep answers of their own.
        for _ in range(8):
            for language, answer in self.in_each("GET", "/media/tracks/latest"):
                self.says(answer, language, "success")

    def test_the_language_of_a_sign_up_is_kept(self):
        for language in LANGUAGES:
            with self.subTest(language=language):
                body = {"email": f"p{uuid.uuid4().hex[:12]}@example.com", "password": "correct horse 1", "name": "Ann"}
                answer = self.ask("POST", "/auth/signup/basic", body, headers=asked(language))
                token = self.good(answer, 201)["tokens"]["accessToken"]
                self.says(answer, language, "success")
                self.assertEqual(self.good(self.ask("GET", "/auth/profile/mine", token=token))["locale"], language)
        for language in LANGUAGES:
            self.good(self.ask("PATCH", "/auth/profile/mine", {"locale": language}, token=token))
            answer = self.ask("GET", "/auth/profile/mine", token=token)
            self.assertEqual(self.good(answer)["locale"], language)
            self.says(answer, "en", "success")  # mails are sent in it; an answer is in the language that is asked for
        answer = self.ask("PATCH", "/auth/profile/mine", {"locale": "xx"}, token=token, headers=asked("ja"))
        self.refused(answer, 400, "locale", "pattern")
        self.says(answer, "ja", "the request has invalid fields")
