#!/usr/bin/env python3
"""Asks auth for what `./dev bench auth` needs: BENCH_KEY is the API key; keys, tokens and passwords are in no argv.

    auth_people.py signup URL DIR COUNT   makes accounts: DIR/people has a sign-in's body in each line
    auth_people.py signin URL DIR         signs them all in: DIR/refresh has a refresh token in each line
    auth_people.py same URL DIR ROW PATH ROUND
                                          40 requests for accounts that are there (DIR/people) and 40 for addresses that
                                          nobody has, in turns; prints the medians of both in microseconds

Ends by itself; what is not answered as it should be ends it with an error."""

import http.client
import json
import os
import random
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

TOGETHER, PAIRS, PAUSE_S = 8, 40, 0.02
HEADERS = {"X-API-Key": os.environ["BENCH_KEY"], "Content-Type": "application/json"}


def post(url, path, body, want, source=None):
    """The answer's data, and how long it took from the request to the last byte, on a connection that was there before."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30, source_address=source and (source, 0))
    connection.connect()
    text = json.dumps(body)
    began = time.perf_counter_ns()
    connection.request("POST", path, text, HEADERS)
    answer = connection.getresponse()
    data = json.loads(answer.read())
    took = time.perf_counter_ns() - began
    connection.close()
    if answer.status not in want:
        raise SystemExit(f"POST {path} answered {answer.status}: {data.get('message')}")
    return data.get("data"), took


def people(directory):
    with open(f"{directory}/people") as file:
        return [json.loads(line) for line in file]


def write(path, lines):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"{line}\n" for line in lines)


def sign_up(url, directory, count):
    everybody = [{"email": f"oak{i}@example.com", "password": f"a bench of oak {i}"} for i in range(int(count))]
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda one: post(url, "/signup/basic", {**one, "name": "Oak"}, (201,)), everybody))
    write(f"{directory}/people", map(json.dumps, everybody))


def sign_in(url, directory):
    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda one: post(url, "/signin/basic", one, (200,)), people(directory)))
    write(f"{directory}/refresh", [data["tokens"]["refreshToken"] for data, _ in answers])


def same(url, directory, row, path, turn):
    """Each pair from a network of its own (all of 127/8 is this machine's): no lock-out is in the way, and its limits stay as they are.
    An account has three wrong tries in all (100 make it wait) and three codes (five an hour), where there are three rounds."""
    there, nobody = [], []
    for i, one in enumerate(people(directory)[:PAIRS]):
        absent = f"nobody{random.getrandbits(40):x}@example.com"
        pair = [(there, one["email"]), (nobody, absent)]
        random.shuffle(pair)
        for times, email in pair:
            body = {"email": email, "password": "not the right one"} if row == "signin" else {"email": email}
            times.append(post(url, path, body, (401,) if row == "signin" else (200,), f"127.{10 + int(turn)}.{i}.1")[1])
            time.sleep(PAUSE_S)  # what a request leaves to be done is not the next one's
    print(f"{statistics.median(there) / 1000:.0f} {statistics.median(nobody) / 1000:.0f}")


if __name__ == "__main__":
    {"signup": sign_up, "signin": sign_in, "same": same}[sys.argv[1]](*sys.argv[2:])
