"""The fake node as a process: told and asked by lines of JSON (client/fake)."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any


@dataclass
class Attempt:
    """One request for events as it came; columns are told as the lines they stand for."""

    at: float
    stream: str
    number: tuple[str, str, str] | None
    body: bytes
    headers: dict[str, str]
    port: int


class Server:
    """One or more addresses with one memory. What came is asked for as it is read."""

    def __init__(self, binary: str, addresses: int = 1) -> None:
        self._process = subprocess.Popen([binary, str(addresses)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, encoding="utf-8")
        self.urls: list[str] = self._answer()["urls"]

    def load(self, script: dict[str, Any]) -> None:
        """Forgets everything and follows another script."""
        self._ask("load", script=script)

    def hold(self, held: bool) -> None:
        """Lets requests for events wait, or go on."""
        self._ask("hold", held=held)

    def wait(self, attempts: int, within: float = 20.0) -> bool:
        """Waits until so many attempts have come."""
        return bool(self._ask("wait", attempts=attempts, within_ms=int(within * 1000))["reached"])

    def close(self) -> None:
        """Ends the addresses."""
        self._process.kill()
        self._process.wait()

    @property
    def attempts(self) -> list[Attempt]:
        """Requests for events, in the order in which they came."""
        return [Attempt(**{**one, "number": one["number"] and tuple(one["number"]),
                           "body": one["body"].encode()}) for one in self._record("attempts")]

    @property
    def applied(self) -> list[tuple[str, dict[str, Any]]]:
        """Stream and event of all that counted."""
        return [(stream, json.loads(text)) for stream, text in self._record("applied")]

    @property
    def opened(self) -> list[str]:
        """Names that were opened."""
        return self._record("opened")

    @property
    def resumed(self) -> list[str | None]:
        """Cursors from which the feed was followed."""
        return self._record("resumed")

    @property
    def said(self) -> list[list[Any]]:
        """Labels: method, path and body."""
        return self._record("said")

    @property
    def faults(self) -> list[str]:
        """What no client may do whatever the case."""
        return self._record("faults")

    def _record(self, name: str) -> Any:
        return self._ask("record")[name]

    def _ask(self, op: str, **fields: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the fake node has ended")
        return json.loads(line)
