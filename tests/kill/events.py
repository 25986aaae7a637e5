"""The stream of events against what was acknowledged: each event there, once, in the order of its entity."""

import collections
import re

from nats_asker import NatsAsker, read_stream
from tracks import STEPS

MADE = "event.track.created"
LETTERS = {event: chr(ord("a") + i) for i, event in enumerate([MADE, *(event for event, _ in STEPS.values())])}
DEED = "event.user.audited"  # beside the event of the same write, so of the same version
AFTER = {MADE: "DRAFT", **dict(STEPS.values())}


class Events:
    def __init__(self, url):
        self.url = url
        self.twice = self.sum = self.disordered = 0

    def read(self):
        """By entity; what came twice is counted and left out: consumers know it by the version."""
        with NatsAsker(self.url) as asker:
            messages = read_stream(asker, "EVENTS")
        ids, self.twice, self.sum = set(), 0, 0
        by_entity = collections.defaultdict(list)
        for _, subject, _, event in messages:
            if event["id"] in ids:
                self.twice += 1
                continue
            ids.add(event["id"])
            self.sum += 1
            if subject == DEED:
                continue
            by_entity[event["subject"]].append((subject, event["entityversion"], event["data"]))
        self.disordered = sum(not in_order(events) for events in by_entity.values())
        return by_entity

    def versions(self, access_tokens):
        """The users' versions as auth tells them: each event of a user raised it by one."""
        with NatsAsker(self.url) as asker:
            return {id: asker.ask("auth.validate.token", {"accessToken": token}).get("userVersion") for id, token in access_tokens.items()}


def in_order(events):
    versions = [version for _, version, _ in events]
    return versions == sorted(set(versions))


class Sums:
    """One comparison; `wrong` is empty when all has arrived."""

    def __init__(self):
        self.wrong, self.acknowledged, self.unanswered = [], 0, 0

    def order(self, by_entity):
        for entity, events in by_entity.items():
            if not in_order(events):
                self.wrong.append(f"events of {entity} are out of order: {[version for _, version, _ in events]}")

    def people(self, by_entity, people, versions):
        for person in people:
            types = [type for type, _, _ in by_entity.get(person.id, [])]
            acknowledged, unknown = person.changes()
            changed, created = types.count("event.user.changed"), types.count("event.user.created")
            if created != 1 or not acknowledged <= changed <= acknowledged + unknown:
                self.wrong.append(f"user {person.id}: {created} created, {changed} changed; acknowledged {acknowledged}, unknown {unknown}")
            if changed + 1 != versions[person.id]:
                self.wrong.append(f"user {person.id}: version {versions[person.id]}, events {changed + 1}")
            self.acknowledged += 1 + acknowledged
            self.unanswered += max(changed - acknowledged, 0)

    def tracks(self, by_entity, tracks, states):
        for track in tracks:
            types = [type for type, _, _ in by_entity.get(track.id, [])]
            wanted = LETTERS[MADE] + "".join(LETTERS[STEPS[step][0]] + ("" if sure else "?") for step, sure in track.steps)
            if not re.fullmatch(wanted, "".join(LETTERS[type] for type in types)):
                self.wrong.append(f"track {track.id}: events {types}, steps {track.steps}")
            if track.id in states and types and AFTER[types[-1]] != states[track.id]:
                self.wrong.append(f"track {track.id} is {states[track.id]}, its events {types}")
            acknowledged = 1 + sum(sure for _, sure in track.steps)
            self.acknowledged += acknowledged
            self.unanswered += max(len(types) - acknowledged, 0)
