"""Writers of media: drafts made and edited, audio uploaded, submitted, published, taken back, deleted."""

import hashlib
import os
import subprocess
import tempfile

from book import Register
from writer import Unknown, Writer

AT_ONCE = 4  # tracks of one writer that are under way
# What a step tells the stream, and the state after it.
STEPS = {
    "submit": ("event.track.submitted", "SUBMITTED"),
    "withdraw": ("event.track.withdrawn", "DRAFT"),
    "publish": ("event.track.published", "PUBLISHED"),
    "return": ("event.track.returned", "DRAFT"),
    "unpublish": ("event.track.unpublished", "UNPUBLISHED"),
    "delete": ("event.track.deleted", None),
}
# From each state: what may be done, how often.
NEXT = {
    "DRAFT": (["edit", "upload", "submit", "delete"], [6, 3, 4, 0.3]),
    "SUBMITTED": (["publish", "return", "withdraw"], [8, 1, 1]),
    "PUBLISHED": (["unpublish", "leave"], [2, 3]),
    "UNPUBLISHED": (["edit", "submit", "leave"], [2, 3, 1]),
}


class Audio:
    """A FLAC made once by ffmpeg; each upload is another file: bytes of its padding differ."""

    PADDING = 1

    def __init__(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tone.flac")
            subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=0.4", "-ac", "1", path], check=True)
            with open(path, "rb") as file:
                self.data = file.read()
        at = 4
        while self.data[at] & 0x7F != self.PADDING:
            at += 4 + int.from_bytes(self.data[at + 1 : at + 4], "big")
        self.at = at + 4

    def another(self, dice):
        mark = dice.randbytes(16)
        return self.data[: self.at] + mark + self.data[self.at + len(mark) :]


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Track:
    def __init__(self, data, word):
        self.id, self.word, self.state = data["id"], word, data["status"]
        self.title, self.audio = Register(data["title"]), Register()
        self.steps = []  # (step, acknowledged), in the order they were asked for
        self.edits = 0
        self.sure = True

    def is_there(self):
        return self.state is not None


class Tracks(Writer):
    def __init__(self, *args, artist, editor, audio):
        super().__init__(*args)
        self.artist, self.editor, self.audio = artist, editor, audio
        self.tracks, self.under_way = [], []

    def turn(self):
        try:
            if len(self.under_way) < AT_ONCE:
                self.make()
                return
            track = self.dice.choice(self.under_way)
            if not track.sure:
                self.look(track)
            if track.is_there():
                self.go_on(track)
            else:
                self.under_way.remove(track)
        except Unknown:
            pass

    def go_on(self, track):
        acts, weights = NEXT[track.state]
        act = self.dice.choices(acts, weights)[0]
        if act == "leave":
            self.under_way.remove(track)
        elif act == "edit":
            self.edit(track)
        elif act == "upload" or (act == "submit" and not track.audio.value):
            self.upload(track)
        else:
            self.step(track, act)

    def make(self):
        word = f"w{self.dice.getrandbits(80):020x}"
        answer = self.write("drafts made", "POST", "/studio/tracks", {"title": f"{word} 0"}, token=self.artist.token())
        if answer.status != 201:
            self.book.fault(f"a new draft: {answer}")
            return
        track = Track(answer.data, word)
        self.tracks.append(track)
        self.under_way.append(track)

    def look(self, track):
        """After an unknown outcome: what it is now."""
        answer = self.read(f"/studio/tracks/{track.id}", token=self.artist.token())
        if answer.status == 404 and ("delete", False) in track.steps:
            track.state = None
        elif answer.status == 200:
            track.state = answer.data["status"]
            self.check(track, answer.data)
        else:
            self.book.fault(f"a track that was made: {answer}")
        track.sure = True

    def check(self, track, seen):
        """Nothing goes back, in no replica."""
        if not track.title.allows(seen["title"]):
            self.book.fault(f"the title of {track.id} is {seen['title']!r}; acknowledged: {track.title.value!r}")
        if track.audio.value and not seen["size"]:
            self.book.fault(f"the audio of {track.id} is gone")

    def change(self, track, kind, register, value, path, body, **more):
        try:
            answer = self.write(kind, "PUT", f"/studio/tracks/{track.id}{path}", body, token=self.artist.token(), **more)
        except Unknown:
            register.doubt(value)
            track.sure = False
            raise
        if answer.status == 200:
            register.acknowledge(value)
            self.check(track, answer.data)
        elif answer.status == 404 and ("delete", False) in track.steps:  # which was done later than it was looked for
            track.state = None
        elif answer.status == 409:  # a write without an answer came first
            register.doubt(value)
            track.sure = False
            self.book.note("noted", "409 after a write without an answer")
        else:
            self.book.fault(f"{kind}: {answer}")

    def edit(self, track):
        track.edits += 1
        title = f"{track.word} {track.edits}"
        self.change(track, "edits", track.title, title, "", {"title": title})
        if self.dice.random() < 0.3:
            self.look(track)

    def upload(self, track):
        data = self.audio.another(self.dice)
        self.change(track, "audio", track.audio, digest(data), "/audio", data, headers={"Content-Type": "application/octet-stream"})

    def ask_step(self, track, step):
        by_editor = step in ("publish", "return", "unpublish")
        path = f"/{'editor' if by_editor else 'studio'}/tracks/{track.id}"
        token = (self.editor if by_editor else self.artist).token()
        if step == "delete":
            return self.write("steps", "DELETE", path, token=token)
        body = {"reason": "so it goes"} if step in ("return", "unpublish") else None
        return self.write("steps", "PUT", f"{path}/{step}", body, token=token)

    def step(self, track, step):
        try:
            answer = self.ask_step(track, step)
        except Unknown:
            track.steps.append((step, False))
            track.sure = False
            raise
        if answer.status == 200:
            track.steps.append((step, True))
            track.state = STEPS[step][1]
        elif answer.status == 409 or (answer.status == 404 and "delete" in (step, *(one for one, _ in track.steps))):
            # Done without an answer before; or the edge asked a second replica after the first had done it and died.
            track.steps.append((step, False))
            track.sure = False
            self.book.note("noted", "409 after a write without an answer")
        else:
            self.book.fault(f"{step} of {track.id}: {answer}")
