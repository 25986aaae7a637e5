"""After the kills: tracks, their audio byte for byte, search, and the files of the blobs."""

import concurrent.futures
import os

from tracks import digest
from writer import persist


class TracksCheck:
    def __init__(self, ways, book, dice, artist, editor):
        self.ways, self.book, self.dice = ways, book, dice
        self.artist, self.editor = artist, editor
        self.states, self.known = {}, set()

    def ask(self, method, path, body=None, **more):
        return persist(lambda: self.ways.ask(self.dice, method, path, body, **more))

    def each(self, check, writers):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for writer in writers:
                list(pool.map(check, writer.tracks))

    def all(self, writers):
        self.each(self.track, writers)

    def track(self, track):
        answer = self.ask("GET", f"/studio/tracks/{track.id}", token=self.artist.token())
        deleted = [sure for step, sure in track.steps if step == "delete"]
        if answer.status == 404 and deleted:
            self.states[track.id] = None
            self.found(track)
            return
        if answer.status != 200 or True in deleted:
            self.book.fault(f"track {track.id}, steps {track.steps}: {answer}")
            return
        self.states[track.id] = answer.data["status"]
        title, size = answer.data["title"], answer.data["size"]
        if not track.title.allows(title):
            self.book.fault(f"the title of {track.id}: {title!r}, acknowledged {track.title.value!r}, perhaps {track.title.maybe!r}")
        if track.audio.value and not size:
            self.book.fault(f"the audio of {track.id} is gone")
        if not track.audio.value and not track.audio.maybe and size:
            self.book.fault(f"{track.id} has audio that nobody sent")
        self.found(track)

    def found(self, track):
        self.book.note("found", "drafts made")
        self.book.note("found", "edits", track.title.acknowledged)
        self.book.note("found", "steps", sum(sure for _, sure in track.steps))

    def search(self, writers):
        """Search in every replica as if each event had come once: what is published is found, once, by its last title."""
        self.each(self.searched, writers)

    def searched(self, track):
        if track.id not in self.states:
            return
        title = None
        if self.states[track.id] == "PUBLISHED":
            title = self.ask("GET", f"/tracks/id/{track.id}").data["title"]
        for replica in self.ways.replicas:
            answer = persist(lambda: self.ways.to(replica, "GET", f"/search?q={track.word}"))
            titles = [hit["title"] for hit in answer.data["tracks"]["items"]]
            if titles != ([title] if title else []):
                self.book.fault(f"search for {track.id}, {self.states[track.id]}, finds {titles}, not {title!r}")

    def audio(self, writers):
        """Everything that has audio is published, and listened to."""
        self.each(self.heard, writers)

    def heard(self, track):
        state = self.states.get(track.id)
        if state is None:
            self.book.note("found", "audio", track.audio.acknowledged)
            return
        if state in ("DRAFT", "UNPUBLISHED"):
            answer = self.ask("PUT", f"/studio/tracks/{track.id}/submit", token=self.artist.token())
            if answer.status == 409 and not track.audio.value:
                return
            if answer.status != 200:
                self.book.fault(f"submit of {track.id} at last: {answer}")
                return
        if state != "PUBLISHED":
            answer = self.ask("PUT", f"/editor/tracks/{track.id}/publish", token=self.editor.token())
            if answer.status != 200:
                self.book.fault(f"publish of {track.id} at last: {answer}")
                return
        hash = digest(self.ask("GET", f"/tracks/{track.id}/stream").body)
        self.known.add(hash)
        if hash in (track.audio.value, *track.audio.maybe):
            self.book.note("found", "audio", track.audio.acknowledged)
        else:
            self.book.fault(f"the audio of {track.id} is not what was sent")

    def blobs(self, folder):
        """Files that no track names are left by kills and replaced audio, and counted; torn ones must not be."""
        unnamed = torn = 0
        for place, _, names in os.walk(folder):
            for name in names:
                if len(name) != 64:
                    continue
                with open(os.path.join(place, name), "rb") as file:
                    torn += digest(file.read()) != name
                unnamed += name not in self.known
        self.book.note("noted", "blobs that no track names", unnamed)
        self.book.note("noted", "files left in the blobs' tmp", len(os.listdir(os.path.join(folder, "tmp"))))
        if torn:
            self.book.fault(f"{torn} blobs are torn")
