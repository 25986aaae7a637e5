#!/usr/bin/env python3
"""Runs the end-to-end tests against the system that TONEARM_RUN names; the last line counts, `--count FILE` keeps the counts."""

import argparse
import os
import sys
import time
import unittest


AGAIN_MOST = 5  # failures


class Result(unittest.TextTestResult):
    """Counts tests, not subtests: a test with a broken subtest has failed once."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.failed, self.passed = set(), set()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed.add(test.id())

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed.add(test.id())

    def addError(self, test, err):
        super().addError(test, err)
        self.failed.add(test.id())

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.failed.add(test.id())


def again(loader, result):
    """What failed beside other work, once more: a busy machine makes nobody's time. Of many failures none."""
    if len(result.failed) > AGAIN_MOST:
        return
    for name in sorted(result.failed):
        once = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(loader.loadTestsFromName(name))
        if once.passed - once.failed:
            print(f"UNSTEADY {name}", file=sys.stderr)
            result.failed.discard(name)
            result.passed.add(name)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", help="write `passed failed skipped` here")
    parser.add_argument("names", nargs="*", help="module[.Class[.test]]")
    options = parser.parse_args()
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e")
    sys.path.insert(0, folder)
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(options.names) if options.names else loader.discover(folder, "test_*.py")
    began = time.monotonic()
    result = unittest.TextTestRunner(verbosity=2, resultclass=Result).run(suite)
    again(loader, result)
    passed, failed, skipped = len(result.passed - result.failed), len(result.failed), len(result.skipped)
    if options.count:
        with open(options.count, "w") as file:
            file.write(f"{passed} {failed} {skipped}\n")
    print(f"{passed} passed, {failed} failed, {skipped} skipped ({time.monotonic() - began:.0f} s)")
    return 1 if failed or not passed else 0


sys.exit(main())
