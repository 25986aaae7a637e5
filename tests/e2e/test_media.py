"""Media through the edge, with real audio."""

import glob
import hashlib
import json
import os
import socket
import subprocess
import tempfile
import time
import uuid

from system import ROOT, RUN, Case, eventually

FACTS = {"id", "slug", "title", "description", "tags", "artists", "album", "genres", "year", "trackNumber", "discNumber",
         "duration", "codec", "bitRate", "bitDepth", "sampleRate", "channels", "size", "coverId", "status", "publishedAt", "plays"}


def make_audio(extension, *arguments, seconds=2, tags=None, frequency=440, cover=None):
    path = os.path.join(tempfile.gettempdir(), f"tonearm-{uuid.uuid4().hex}.{extension}")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=frequency={frequency}:duration={seconds}"]
    if cover:
        command += ["-i", cover, "-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v:0", "attached_pic"]
    for name, value in (tags or {}).items():
        command += ["-metadata", f"{name}={value}"]
    subprocess.run([*command, *arguments, path], check=True)
    with open(path, "rb") as file:
        data = file.read()
    os.unlink(path)
    return data


class Media(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        _, tokens = cls.system.person("ARTIST", name="Uploading Artist")
        cls.artist = tokens["accessToken"]
        cls.editor = cls.system.person("EDITOR")[1]["accessToken"]
        eventually(lambda: cls.system.ask("GET", "/media/studio/tracks", token=cls.artist).status == 200, 2, "artist")
        eventually(lambda: cls.system.ask("GET", "/media/editor/tracks", token=cls.editor).status == 200, 2, "editor")

    def draft(self, **body):
        body.setdefault("title", f"Piece {uuid.uuid4().hex[:8]}")
        return self.good(self.ask("POST", "/media/studio/tracks", body, token=self.artist), 201)

    def audio(self, id, data, token=None):
        return self.ask("PUT", f"/media/studio/tracks/{id}/audio", data, token=token or self.artist,
                        headers={"Content-Type": "application/octet-stream"})

    def step(self, who, id, what, body=None):
        area, token = ("studio", self.artist) if who == "artist" else ("editor", self.editor)
        return self.ask("PUT", f"/media/{area}/tracks/{id}/{what}", body, token=token)

    def publish(self, data, **body):
        track = self.draft(**body)
        self.good(self.audio(track["id"], data))
        self.good(self.step("artist", track["id"], "submit"))
        return self.good(self.step("editor", track["id"], "publish"))


class TheWay(Media):
    """Real music in by an artist, past an editor, out through the edge."""

    def test_real_music(self):
        files = sorted(glob.glob("/usr/share/games/wesnoth/1.16/data/core/music/*.ogg"))
        self.assertTrue(files, "the package wesnoth-1.16-music is not there")
        path = min(files, key=os.path.getsize)
        with open(path, "rb") as file:
            data = file.read()
        track = self.publish(data, tags=["orchestral"])
        self.assertTrue(FACTS <= set(track), FACTS - set(track))
        self.assertEqual(track["status"], "PUBLISHED")
        probe = json.loads(subprocess.run(
            ["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", path], capture_output=True, check=True).stdout)
        stream = probe["streams"][0]
        self.assertAlmostEqual(track["duration"], float(probe["format"]["duration"]), delta=0.1)
        self.assertEqual(track["sampleRate"], int(stream["sample_rate"]))
        self.assertEqual(track["channels"], stream["channels"])
        self.assertEqual(track["codec"], stream["codec_name"])
        self.assertEqual(track["size"], len(data))
        wanted = {k.lower(): v for k, v in {**probe["format"].get("tags", {}), **stream.get("tags", {})}.items()}
        if "artist" in wanted:
            self.assertIn(wanted["artist"], [a["name"] for a in track["artists"]])
        got = self.ask("GET", f"/media/tracks/{track['id']}/stream")
        self.assertEqual(hashlib.sha256(got.body).digest(), hashlib.sha256(data).digest())
        # A real player's library decodes what comes out of the edge.
        played = subprocess.run(
            ["ffmpeg", "-v", "error", "-headers", f"X-API-Key: {self.system.key}\r\n", "-i",
             f"{self.system.env['TONEARM_URL']}/media/tracks/{track['id']}/stream", "-f", "null", "-"], capture_output=True, text=True, timeout=120)
        self.assertEqual((played.returncode, played.stderr), (0, ""))

    def test_own_writes_show_at_once_and_in_search_within_a_second(self):
        word = "q" + uuid.uuid4().hex[:10]
        tag = "t" + uuid.uuid4().hex[:10]
        track = self.publish(make_audio("flac"), title=f"Überton {word}", tags=[tag])
        self.assertEqual(self.good(self.ask("GET", f"/media/tracks/id/{track['id']}"))["title"], f"Überton {word}")
        self.assertEqual(self.good(self.ask("GET", f"/media/tracks/slug/{track['slug']}"))["id"], track["id"])
        self.assertEqual(self.good(self.ask("GET", "/media/tracks/latest"))["items"][0]["id"], track["id"])
        self.assertEqual([t["id"] for t in self.good(self.ask("GET", f"/media/tracks/tag/{tag}"))["items"]], [track["id"]])
        for query in (word, word[:6], f"uberton+{word}", f"%C3%9CBERTON+{word[:4]}"):
            found = eventually(lambda: self.good(self.ask("GET", f"/media/search?q={query}"))["tracks"]["items"], 1, f"search {query}")
            self.assertIn(track["id"], [t["id"] for t in found])
        data = self.good(self.ask("GET", f"/media/search?q={word}"))
        self.assertEqual(set(data), {"tracks", "albums", "artists", "playlists", "people"})
        self.assertIn("highlight", data["tracks"]["items"][0])
        code, found = self.system.nats("media.search", {"q": word, "limit": 5})
        self.assertIsNone(code)
        self.assertEqual(found["tracks"]["items"][0]["id"], track["id"])
        code, got = self.system.nats("media.track.get", {"id": track["id"]})
        self.assertEqual((code, got["slug"]), (None, track["slug"]))

    def test_unpublished_is_gone_within_a_second(self):
        word = "u" + uuid.uuid4().hex[:10]
        track = self.publish(make_audio("mp3"), title=word)
        eventually(lambda: self.good(self.ask("GET", f"/media/search?q={word}"))["tracks"]["items"], 1, "search")
        self.good(self.step("editor", track["id"], "unpublish", {"reason": "a reason"}))
        for path in (f"id/{track['id']}", f"slug/{track['slug']}"):
            self.refused(self.ask("GET", f"/media/tracks/{path}"), 404)
        self.assertNotIn(track["id"], [t["id"] for t in self.good(self.ask("GET", "/media/tracks/latest"))["items"]])
        eventually(lambda: not self.good(self.ask("GET", f"/media/search?q={word}"))["tracks"]["items"], 1, "out of search")
        eventually(lambda: self.ask("GET", f"/media/tracks/{track['id']}/stream").status == 404, 1, "stream")
        self.good(self.step("artist", track["id"], "submit"))
        self.good(self.step("editor", track["id"], "publish"))

    def test_tags_and_covers_are_read_from_the_file(self):
        cover = os.path.join(tempfile.gettempdir(), f"{uuid.uuid4().hex}.jpg")
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=red:s=300x300", "-frames:v", "1", cover], check=True)
        tags = {"artist": "Łukasz Straße", "album": "Das Album", "genre": "Folk", "date": "1999", "track": "3/12", "disc": "1/2"}
        for extension, codec in (("mp3", "mp3"), ("flac", "flac"), ("m4a", "aac"), ("ogg", "vorbis"), ("opus", "opus"), ("wav", "pcm_s16le")):
            with self.subTest(extension=extension):
                pictured = extension in ("mp3", "flac", "m4a")
                data = make_audio(extension, tags=tags, cover=cover if pictured else None)
                track = self.publish(data)
                self.assertEqual(track["codec"], codec)
                self.assertAlmostEqual(track["duration"], 2.0, delta=0.1)
                if extension == "wav":
                    continue
                self.assertEqual([a["name"] for a in track["artists"]], ["Łukasz Straße"])
                self.assertEqual((track["album"]["name"], track["genres"], track["year"], track["trackNumber"]), ("Das Album", ["Folk"], 1999, 3))
                if pictured:
                    picture = self.ask("GET", f"/media/covers/{track['coverId']}")
                    self.assertEqual(picture.status, 200)
                    self.assertIn(picture.headers["Content-Type"], ("image/jpeg", "image/png"))
        os.unlink(cover)

    def test_without_an_artist_in_the_file_it_is_the_uploaders_name(self):
        track = self.publish(make_audio("flac"))
        self.assertEqual([a["name"] for a in track["artists"]], ["Uploading Artist"])

    def test_equal_titles_get_numbered_slugs_and_equal_audio_may_stand_twice(self):
        title, data = f"Same {uuid.uuid4().hex[:8]}", make_audio("flac")
        slugs = [self.publish(data, title=title)["slug"] for _ in range(3)]
        self.assertEqual(slugs, [slugs[0], slugs[0] + "-2", slugs[0] + "-3"])


class States(Media):
    def test_the_state_machine(self):
        data = make_audio("flac")
        track = self.draft()
        id = track["id"]
        self.assertEqual(track["status"], "DRAFT")
        self.refused(self.step("artist", id, "submit"), 409)  # no audio yet
        self.good(self.audio(id, data))
        self.refused(self.step("editor", id, "publish"), 409)
        self.refused(self.step("artist", id, "withdraw"), 409)
        self.good(self.step("artist", id, "submit"))
        self.refused(self.step("artist", id, "submit"), 409)
        self.good(self.step("artist", id, "withdraw"))
        self.good(self.step("artist", id, "submit"))
        self.good(self.step("editor", id, "return", {"reason": "too quiet"}))
        self.refused(self.step("editor", id, "unpublish", {"reason": "x"}), 409)
        self.good(self.step("artist", id, "submit"))
        self.good(self.step("editor", id, "publish"))
        self.refused(self.step("editor", id, "publish"), 409)

    def test_an_edit_of_a_published_track_is_a_draft_beside_it(self):
        track = self.publish(make_audio("flac"), title="Before")
        id = track["id"]
        self.good(self.ask("PUT", f"/media/studio/tracks/{id}", {"title": "After"}, token=self.artist))
        self.assertEqual(self.good(self.ask("GET", f"/media/tracks/id/{id}"))["title"], "Before")
        self.good(self.step("artist", id, "submit"))
        self.assertEqual(self.good(self.ask("GET", f"/media/tracks/id/{id}"))["title"], "Before")
        self.good(self.step("editor", id, "publish"))
        after = self.good(self.ask("GET", f"/media/tracks/id/{id}"))
        self.assertEqual((after["title"], after["slug"]), ("After", track["slug"]))

    def test_anothers_track_is_404(self):
        id = self.draft()["id"]
        other = self.system.person("ARTIST")[1]["accessToken"]
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=other).status == 200, 2, "role")
        for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/submit")):
            self.refused(self.ask(method, f"/media/studio/tracks/{id}{path}", token=other), 404)

    def test_studio_and_editor_lists(self):
        id = self.draft()["id"]
        drafts = self.good(self.ask("GET", "/media/studio/tracks?status=draft", token=self.artist))["items"]
        self.assertIn(id, [t["id"] for t in drafts])
        self.good(self.audio(id, make_audio("flac")))
        self.good(self.step("artist", id, "submit"))
        waiting = self.good(self.ask("GET", "/media/editor/tracks?status=submitted&limit=100", token=self.editor))["items"]
        self.assertIn(id, [t["id"] for t in waiting])
        self.refused(self.ask("GET", "/media/studio/tracks?status=nonsense", token=self.artist), 400)

    def test_a_deleted_draft_is_gone(self):
        id = self.draft()["id"]
        self.good(self.ask("DELETE", f"/media/studio/tracks/{id}", token=self.artist))
        self.refused(self.ask("GET", f"/media/studio/tracks/{id}", token=self.artist), 404)


class Lists(Media):
    def test_cursors_walk_through_everything_once(self):
        tag = "w" + uuid.uuid4().hex[:10]
        data = make_audio("flac")
        made = [self.publish(data, tags=[tag])["id"] for _ in range(5)]
        seen, cursor = [], None
        for _ in range(10):
            page = self.good(self.ask("GET", f"/media/tracks/tag/{tag}?limit=2" + (f"&cursor={cursor}" if cursor else "")))
            seen += [t["id"] for t in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
        self.assertEqual(seen, made[::-1])

    def test_limits_and_foreign_cursors_are_refused(self):
        for query in ("limit=0", "limit=101", "limit=x", "limit=-1", "cursor=nonsense"):
            with self.subTest(query=query):
                self.refused(self.ask("GET", f"/media/tracks/latest?{query}"), 400)
        data, tag = make_audio("flac"), "f" + uuid.uuid4().hex[:10]
        for _ in range(2):
            self.publish(data, tags=[tag])
        cursor = self.good(self.ask("GET", f"/media/tracks/tag/{tag}?limit=1"))["next"]
        self.refused(self.ask("GET", f"/media/tracks/latest?limit=1&cursor={cursor}"), 400)

    def test_unknown_and_malformed_ids_are_404(self):
        for id in ("0" * 24, "x", "a" * 300):
            for path in (f"/media/tracks/id/{id}", f"/media/tracks/{id}/stream", f"/media/covers/{id}", f"/media/tracks/slug/{id}"):
                self.refused(self.ask("GET", path), 404)

    def test_search_takes_anything_as_text(self):
        for query in ("%22", "*", "a+OR+b", "NEAR(a,b)", "title:x", "(", "'", "%00", "%F0%9F%8E%B5", "a" * 1000, ""):
            with self.subTest(query=query):
                self.assertIn(self.ask("GET", f"/media/search?q={query}").status, (200, 400))


class Streaming(Media):
    def setUp(self):
        cls = type(self)
        if not hasattr(cls, "track"):
            cls.data = make_audio("wav", seconds=5)
            cls.track = self.publish(cls.data)

    def get(self, **headers):
        return self.ask("GET", f"/media/tracks/{self.track['id']}/stream", headers={k.replace("_", "-"): v for k, v in headers.items()})

    def test_ranges(self):
        size = len(self.data)
        whole = self.get()
        self.assertEqual((whole.status, whole.body, whole.headers["Accept-Ranges"]), (200, self.data, "bytes"))
        for text, first, last in (("bytes=0-0", 0, 0), ("bytes=100-199", 100, 199), (f"bytes={size - 1}-", size - 1, size - 1),
                                  ("bytes=-10", size - 10, size - 1), (f"bytes=5-{size * 2}", 5, size - 1), (f"bytes=-{size * 2}", 0, size - 1)):
            with self.subTest(range=text):
                part = self.get(Range=text)
                self.assertEqual(part.status, 206)
                self.assertEqual(part.headers["Content-Range"], f"bytes {first}-{last}/{size}")
                self.assertEqual(part.body, self.data[first:last + 1])
        past = self.get(Range=f"bytes={size}-")
        self.refused(past, 416)
        self.assertEqual(past.headers["Content-Range"], f"bytes */{size}")

    def test_etag(self):
        tag = self.get().headers["ETag"]
        self.assertEqual(self.get(If_None_Match=tag).status, 304)
        self.assertEqual(self.get(If_None_Match=tag).body, b"")
        self.assertEqual(self.get(Range="bytes=0-9", If_Range=tag).status, 206)
        self.assertEqual(self.get(Range="bytes=0-9", If_Range='"other"').status, 200)

    def test_head(self):
        answer = self.ask("HEAD", f"/media/tracks/{self.track['id']}/stream")
        self.assertEqual((answer.status, int(answer.headers["Content-Length"]), answer.body), (200, len(self.data), b""))


class BadUploads(Media):
    def blobs(self):
        return sorted(p for p in glob.glob(os.path.join(RUN, "blobs", "**", "*"), recursive=True) if os.path.isfile(p))

    def test_what_is_not_audio_is_422_and_leaves_nothing(self):
        id = self.draft()["id"]
        before = self.blobs()
        playlist = b"#EXTM3U\nfile:///etc/passwd\n"
        with open(os.path.join(ROOT, "LICENSE"), "rb") as file:
            text = file.read()
        for data in (os.urandom(50000), b"", b"hello", playlist, b"fLaC" + b"\0" * 100, b"fLaC" + os.urandom(5000), text):
            with self.subTest(data=data[:12]):
                self.assertIn(self.audio(id, data).status, (422, 400) if not data else (422,))
        self.assertEqual(self.blobs(), before)
        self.refused(self.step("artist", id, "submit"), 409)

    def test_too_large_is_413(self):
        id = self.draft()["id"]
        connection = socket.create_connection((self.system.host, self.system.port), timeout=10)
        with connection:
            connection.sendall((f"PUT /media/studio/tracks/{id}/audio HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.system.key}\r\n"
                                f"Authorization: Bearer {self.artist}\r\nContent-Length: {65 << 20}\r\n\r\n").encode())
            self.assertIn(b" 413 ", connection.recv(4096).split(b"\r\n")[0] + b" ")

    def test_cut_off_leaves_nothing(self):
        id = self.draft()["id"]
        before = self.blobs()
        data = make_audio("wav", seconds=20)
        for _ in range(5):
            with socket.create_connection((self.system.host, self.system.port), timeout=10) as connection:
                connection.sendall((f"PUT /media/studio/tracks/{id}/audio HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.system.key}\r\n"
                                    f"Authorization: Bearer {self.artist}\r\nContent-Length: {len(data)}\r\n\r\n").encode())
                connection.sendall(data[: len(data) // 2])
        time.sleep(0.5)
        self.assertEqual(self.blobs(), before)
        self.refused(self.step("artist", id, "submit"), 409)

    def test_fields(self):
        cases = [({}, "title", "required"), ({"title": ""}, "title", "min"), ({"title": "x" * 201}, "title", "max"),
                 ({"title": 5}, "title", "type"), ({"title": "x", "description": "d" * 5001}, "description", "max"),
                 ({"title": "x", "tags": ["UPPER"]}, "tags", "pattern"), ({"title": "x", "tags": [str(i) for i in range(21)]}, "tags", "max")]
        for body, field, rule in cases:
            with self.subTest(field=field, rule=rule):
                body = self.refused(self.ask("POST", "/media/studio/tracks", body, token=self.artist), 400)
                self.assertTrue(any(e["field"].startswith(field) and e["rule"] == rule for e in body["errors"]), body)


class Departure(Media):
    """An artist's account is deleted: what was not public goes, what is public stays without a name of theirs."""

    def test_what_is_public_stays_and_is_nobodys(self):
        name = f"Artist {uuid.uuid4().hex[:10]}"
        word = name.split()[1]
        user, tokens = self.system.person("ARTIST", name=name)
        self.artist = token = tokens["accessToken"]
        eventually(lambda: self.ask("GET", "/media/studio/tracks", token=token).status == 200, 10, "artist")
        public = self.publish(make_audio("flac"))
        self.assertEqual(public["artists"][0]["name"], name)
        title = f"Unheard {uuid.uuid4().hex[:10]}"
        draft = self.draft(title=title)
        self.good(self.audio(draft["id"], make_audio("flac")))
        self.good(self.step("artist", draft["id"], "submit"))
        artists = lambda: self.good(self.ask("GET", f"/media/search?q={word}"))["artists"]["items"]
        eventually(artists, 30, "the name is found")

        self.good(self.ask("POST", "/auth/profile/mine/delete", {"password": "correct horse 1"}, token=token))
        shown = lambda: self.good(self.ask("GET", f"/media/tracks/id/{public['id']}"))
        eventually(lambda: shown()["artists"][0]["name"] == "Anonymous", 60, "the name goes")
        eventually(lambda: not artists(), 30, "out of search")
        self.assertEqual((shown()["title"], shown()["slug"]), (public["title"], public["slug"]))
        self.assertEqual(self.ask("GET", f"/media/tracks/{public['id']}/stream").status, 200)
        submitted = lambda: [t["id"] for t in self.good(self.ask("GET", "/media/editor/tracks?status=submitted&limit=100", token=self.editor))["items"]]
        eventually(lambda: draft["id"] not in submitted(), 30, "out of the editors' list")
        self.refused(self.ask("PUT", f"/media/editor/tracks/{draft['id']}/publish", token=self.editor), 404)
        self.assertEqual(self.ask("POST", "/media/studio/tracks", {"title": "More"}, token=token).status, 401)
