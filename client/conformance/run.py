"""Runs the cases of contract.yaml against an SDK's adapter.

    python3 run.py --adapter "python3 ../python/conformance/adapter.py" --fake via-fake [--node via-node] [--case NAME]
"""

from __future__ import annotations

import argparse
import math
import queue
import re
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from adapter import Adapter, Failed
from node import Node
from server import Server

HERE = Path(__file__).resolve().parent


class Unfit(Exception):
    """The SDK's language lacks what the case needs."""


class Seat:
    """Where the adapter sits: the same process for many cases, a new one when it ended."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.folder = Path(tempfile.mkdtemp(prefix="via-sdk-seat-"))
        self._adapter: Adapter | None = None
        self.lacks: set[str] = set(self.adapter().ask("about")["lacks"])

    def adapter(self) -> Adapter:
        """Returns the running adapter, or a new one."""
        if self._adapter is None:
            self._adapter = self.another()
        return self._adapter

    def another(self) -> Adapter:
        """Starts one more, that whoever asked ends."""
        return Adapter(self.command, str(self.folder))

    def leave(self, end: Any = Adapter.kill) -> None:
        """Ends it."""
        if self._adapter is not None:
            end(self._adapter)
            self._adapter = None


class Run:
    """One case against one adapter and one server."""

    def __init__(self, case: dict[str, Any], seat: Seat, fake: Server | None,
                 node: Node | None) -> None:
        self.case, self._seat, self.fake, self.node = case, seat, fake, node
        if case.get("needs") in seat.lacks:
            raise Unfit(case["needs"])
        self.folder = Path(tempfile.mkdtemp(prefix="via-sdk-case-"))
        self.result: Any = {}
        self.error: dict[str, Any] | None = None
        self.took: dict[int, float] = {}
        self.state: dict[str, Any] = {}
        self.started = time.time()
        self.before = node.ask("/api/v1/stats")["events"] if node else 0
        if fake:
            fake.load(case.get("server", {}))

    @property
    def _adapter(self) -> Adapter:
        return self._seat.adapter()

    def perform(self) -> None:
        """Performs the steps."""
        self._init()
        for nth, step in enumerate(self.case["steps"]):
            (word, given), = step.items()
            began = time.monotonic()
            getattr(self, f"_{word}")(given)
            self.took[nth] = (time.monotonic() - began) * 1000
        if self.case["steps"][-1].keys() != {"end"}:
            self.state = self._adapter.ask("state")

    def finish(self) -> None:
        """Ends the adapter."""
        if self.fake:
            self.fake.hold(False)
        try:
            self._adapter.ask("reset")
        except (Failed, AssertionError, OSError, queue.Empty):
            self._seat.leave()
        shutil.rmtree(self.folder, ignore_errors=True)

    def applied(self) -> int:
        """Counts what the server applied."""
        if self.fake:
            return len(self.fake.applied)
        assert self.node is not None
        return int(self.node.ask("/api/v1/stats")["events"]) - self.before

    def _init(self, given: Any = None) -> None:
        self._adapter.ask("init", settings=self._settings() | (given or {}))

    def _settings(self) -> dict[str, Any]:
        settings = {"backoff_min_ms": 1, "producer": "conformance", **self.case.get("settings", {})}
        if settings.pop("spool", False):
            settings["spool_dir"] = str(self.folder / "spool")
        settings["urls"] = self.fake.urls[:self.case.get("addresses", 1)] if self.fake \
            else [self.node.url]  # type: ignore[union-attr]
        return settings

    def _capture(self, event: dict[str, Any]) -> None:
        self._adapter.ask("capture", event=event)

    def _flush(self, given: dict[str, Any]) -> None:
        self.result = self._adapter.ask("flush", timeout_ms=given.get("timeout_ms", 20_000))

    def _close(self, given: dict[str, Any]) -> None:
        self.result = self._adapter.ask("close", timeout_ms=given.get("timeout_ms", 20_000))

    def _hold(self, held: bool) -> None:
        assert self.fake is not None
        self.fake.hold(held)

    def _wait(self, given: dict[str, int]) -> None:
        if self.fake:
            assert self.fake.wait(given["attempts"]), "the attempts did not come"

    def _settle(self, wanted: dict[str, Any]) -> None:
        until = time.monotonic() + 20
        while not is_within(wanted, state := self._adapter.ask("state")):
            assert time.monotonic() < until, f"never {wanted}; at last {state}"
            time.sleep(0.01)

    def _kill(self, given: Any) -> None:
        self._seat.leave()

    def _end(self, given: Any) -> None:
        self._seat.leave(Adapter.end)

    def _damage(self, given: Any) -> None:
        for path in (self.folder / "spool").glob("*/*.batch"):
            body = bytearray(path.read_bytes())
            body[-3] ^= 1
            path.write_bytes(body)

    def _reset_server(self, given: Any) -> None:
        assert self.fake is not None
        self.fake.load({})

    def _fork(self, event: dict[str, Any]) -> None:
        self._adapter.ask("fork", event=event)

    def _second(self, event: dict[str, Any]) -> None:
        other = self._seat.another()
        try:
            other.ask("init", settings=self._settings())
            other.ask("capture", event=event)
            other.ask("flush", timeout_ms=20_000)
        finally:
            other.kill()

    def _ask(self, op: str, **fields: Any) -> None:
        try:
            self.result = self._adapter.ask(op, **fields)
        except Failed as failed:
            self.error = failed.error

    def _score(self, event: dict[str, Any]) -> None:
        self._ask("score", event=event)

    def _events(self, given: dict[str, Any]) -> None:
        self._ask("events", **given)

    def _detections(self, given: dict[str, Any]) -> None:
        self._ask("detections", **given)

    def _feedback(self, given: dict[str, Any]) -> None:
        self._ask("feedback", **given)

    def _take_back(self, given: dict[str, Any]) -> None:
        self._ask("take_back", **given)

    def _follow(self, given: dict[str, Any]) -> None:
        self._ask("follow", **given)


def is_within(wanted: Any, given: Any) -> bool:
    """Says whether everything wanted is there; an empty object wants an empty one."""
    if isinstance(wanted, dict):
        return isinstance(given, dict) and (bool(wanted) or not given) and all(
            is_within(value, given.get(name, 0 if isinstance(value, int) else None))
            for name, value in wanted.items())
    if isinstance(wanted, float) and isinstance(given, (int, float)):
        return math.isclose(wanted, given, rel_tol=0, abs_tol=0) or wanted == given
    return bool(wanted == given)


def judge(run: Run) -> list[str]:
    """Returns what is not as the case expects."""
    faults: list[str] = [*run.fake.faults] if run.fake else []

    def check(is_so: bool, words: str) -> None:
        if not is_so:
            faults.append(words)

    expect, fake, state = run.case["expect"], run.fake, run.state
    if state:
        sums = state["pending"] + state["accepted"] + state["duplicates"] + state["refused"] \
            + sum(state["lost"].values())
        check(state["captured"] + state["recovered"] == sums, f"events are unaccounted for: {state}")
    if "error" not in expect:
        check(run.error is None, f"an error: {run.error}")
    for word, wanted in expect.items():
        if word == "state":
            check(is_within(wanted, state), f"state: wanted {wanted}, got {state}")
        elif word == "applied":
            check(run.applied() == wanted, f"applied: wanted {wanted}, got {run.applied()}")
        elif word == "result":
            if "has" in wanted:
                check(wanted["has"] in (run.result or {}), f"result: {run.result}")
            else:
                check(is_within(wanted, run.result), f"result: wanted {wanted}, got {run.result}")
        elif word == "error":
            check(is_within(wanted, run.error), f"error: wanted {wanted}, got {run.error}")
        elif word == "took_ms":
            took = run.took[wanted["step"]]
            check(wanted.get("min", 0) <= took <= wanted.get("max", 1e9), f"took {took} ms")
        elif word == "damaged":
            found = len(list((run.folder / "spool").glob("*/*.damaged")))
            check(found == wanted, f"{found} files are set aside")
        elif word == "messages":
            got = [[message["type"], message["cursor"]] for message in run.result["messages"]]
            check(got == wanted, f"messages: {got}")
        elif word == "kinds":
            got = [message["type"] for message in run.result["messages"]]
            check(got == wanted, f"kinds: {got}")
        elif fake is not None:
            FAKE[word](check, wanted, fake, run)
    return faults


def _gaps(check: Any, wanted: Any, fake: Server, run: Run) -> None:
    for nth, bounds in enumerate(wanted):
        gap = (fake.attempts[nth + 1].at - fake.attempts[nth].at) * 1000
        # The upper bound allows for a busy machine.
        check(bounds.get("min_ms", 0) <= gap <= bounds["max_ms"] + 500, f"gap {nth}: {gap:.0f} ms")


def _unchanged(check: Any, wanted: Any, fake: Server, run: Run) -> None:
    bodies: dict[Any, set[bytes]] = defaultdict(set)
    numbers: dict[bytes, set[Any]] = defaultdict(set)
    for attempt in fake.attempts:
        bodies[attempt.number].add(attempt.body)
        numbers[attempt.body].add(attempt.number)
    check(None not in bodies, "a batch has no number")
    check(all(len(found) == 1 for found in (*bodies.values(), *numbers.values())),
          f"numbers changed: {dict(numbers)}")


def _values(fake: Server) -> list[Any]:
    return [event.get("value") for _, event in fake.applied]


def _timestamps(check: Any, wanted: Any, fake: Server, run: Run) -> None:
    got = [event["timestamp"] for _, event in fake.applied]
    check(got == wanted, f"timestamps: {got}")


def _captured_before(check: Any, wanted: Any, fake: Server, run: Run) -> None:
    at, now = fake.applied[0][1]["timestamp"] / 1e6, time.time()
    check(isinstance(fake.applied[0][1]["timestamp"], int), "the time is not whole")
    check(run.started <= at + 0.001 and at < now - wanted / 1000, f"captured {now - at} s ago")


def _headers(check: Any, wanted: Any, fake: Server, run: Run) -> None:
    for name, pattern in wanted.items():
        got = fake.attempts[-1].headers.get(name, "")
        check(re.search(pattern, got) is not None, f"{name}: {got!r}")


FAKE: dict[str, Any] = {
    "attempts": lambda check, wanted, fake, run: check(
        len(fake.attempts) == wanted, f"attempts: wanted {wanted}, got {len(fake.attempts)}"),
    "opens": lambda check, wanted, fake, run: check(
        len(fake.opened) == wanted, f"opens: wanted {wanted}, got {fake.opened}"),
    "names": lambda check, wanted, fake, run: check(fake.opened == wanted, f"names: {fake.opened}"),
    "numbers": _unchanged,
    "gaps": _gaps,
    "values": lambda check, wanted, fake, run: check(
        _values(fake) == wanted, f"values: wanted {wanted}, got {_values(fake)}"),
    "order": lambda check, wanted, fake, run: check(
        _values(fake) == sorted(_values(fake)), f"order: {_values(fake)}"),
    "event": lambda check, wanted, fake, run: check(
        bool(fake.applied) and is_within(wanted, fake.applied[-1][1]), f"event: {fake.applied}"),
    "timestamps": _timestamps,
    "captured_before_ms": _captured_before,
    "headers": _headers,
    "largest_body": lambda check, wanted, fake, run: check(
        max(len(attempt.body) for attempt in fake.attempts) <= wanted, "a body is too large"),
    "addresses": lambda check, wanted, fake, run: check(
        len({attempt.port for attempt in fake.attempts}) == wanted, "not all addresses were tried"),
    "said": lambda check, wanted, fake, run: check(
        [list(said) for said in fake.said] == wanted, f"said: {fake.said}"),
    "resumed": lambda check, wanted, fake, run: check(
        fake.resumed[:len(wanted)] == wanted, f"resumed: {fake.resumed}"),
}


def one(case: dict[str, Any], seat: Seat, fake: Server | None, node: Node | None) -> list[str]:
    """Runs one case; returns its faults."""
    run = Run(case, seat, fake, node)
    try:
        run.perform()
        return judge(run)
    except Exception as error:  # noqa: BLE001 - every failure is a fault of the case
        return [f"{type(error).__name__}: {error}"]
    finally:
        run.finish()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", required=True, help="the adapter's command")
    parser.add_argument("--fake", required=True, help="a via-fake binary")
    parser.add_argument("--node", help="a via-node binary, for the cases that a real node can show")
    parser.add_argument("--case", help="only cases whose name contains this")
    given = parser.parse_args()
    cases = yaml.safe_load((HERE.parent / "contract.yaml").read_text(encoding="utf-8"))
    cases = [case for case in cases if given.case is None or given.case in case["case"]]
    seat = Seat(given.adapter)
    failed = passed = unfit = 0
    folder = Path(tempfile.mkdtemp(prefix="via-sdk-node-"))
    node = None
    if given.node:
        node = Node(given.node, folder)
        node.start()
    try:
        for case in cases:
            for kind in ("fake", "node"):
                if kind == "node" and (node is None or not case.get("node")):
                    continue
                # A fake of its own: what the case before left on its way reaches none.
                fake = Server(given.fake, 2) if kind == "fake" else None
                try:
                    faults = one(case, seat, fake, node if kind == "node" else None)
                except Unfit as error:
                    print(f"skip {case['case']} ({kind}): the language has no {error}")
                    unfit += 1
                    continue
                finally:
                    if fake is not None:
                        fake.close()
                print(f"{'FAIL' if faults else 'ok  '} {case['case']} ({kind})", flush=True)
                for fault in faults:
                    print(f"       {fault}")
                failed, passed = failed + bool(faults), passed + (not faults)
    finally:
        seat.leave()
        shutil.rmtree(seat.folder, ignore_errors=True)
        if node is not None:
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{passed} passed, {failed} failed, {unfit} not for this language")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
