"""The client: capture, ends, and the synchronous calls."""

from __future__ import annotations

import atexit
import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any, Iterator, Mapping, Sequence
from urllib.parse import quote, urlencode

from . import encode
from .buffer import Buffer
from .columns import Columns
from .errors import Rejected, Retry, ViaError
from .feed import Feed
from .patience import Patience
from .sender import Sender, Stopped
from .settings import Settings
from .types import Detection, Label, Labelled, Score, State, Written
from .wire import Wire

#: Clients that are not closed: flushed when the process ends, renewed in a child.
_living: set[Client] = set()
_encode = encode.line


class Client:
    """Sends events in the background and asks questions. Safe for threads and forks.

    Takes every field of `Settings` as a keyword."""

    def __init__(self, urls: str | Sequence[str] | None = None, **settings: Any) -> None:
        if urls is not None:
            settings["urls"] = [urls] if isinstance(urls, str) else list(urls)
        self._settings = Settings(**settings)
        self._must_identify = self._settings.producer is False
        self._begin()
        _living.add(self)

    def _begin(self) -> None:
        self._wire = Wire(self._settings)
        self._buffer = Buffer(self._settings)
        self._sender = Sender(self._settings, self._buffer, self._wire)
        self._is_started = False

    def _start(self) -> None:
        with self._buffer.lock:
            if self._is_started or self._buffer.closed_as:
                return
            self._is_started = True
        try:
            self._sender.start()
        except OSError as error:
            self._is_started = False
            self._sender.tell(ViaError(str(error), "local"))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def event(self, stream: str, entity: str | int | None, value: float = 1.0, *,
              timestamp: Any = None, unique_id: str | None = None,
              attributes: Mapping[str, Any] | None = None,
              values: Mapping[str, float] | None = None) -> None:
        """Captures an event. Never throws, never waits for the network."""
        try:
            if self._must_identify and unique_id is None:
                unique_id = encode.random_id()
            line = _encode(entity, value, timestamp, unique_id, attributes, values)
        except (ValueError, TypeError, OverflowError, RecursionError, AttributeError):
            self._buffer.invalid()
            return
        if not self._is_started:
            self._start()
        self._buffer.add(stream, line)

    def flush(self, timeout: float = 30.0) -> bool:
        """Waits until everything captured before is settled; says whether it was."""
        until = monotonic() + timeout
        batches = self._buffer.seal_all()
        return self._buffer.wait_settled(batches, until) and self._sender.wait_spooled(until)

    def close(self, timeout: float = 30.0) -> bool:
        """Stops capturing, flushes and ends; says whether everything was settled."""
        until = monotonic() + timeout
        self._buffer.stop("closed")
        is_settled = self.flush(timeout)
        self._sender.stop(max(0.2, until - monotonic()) if is_settled else 0.2)
        self._buffer.abandon_all("closed")
        self._wire.close()
        _living.discard(self)
        return is_settled

    def state(self) -> State:
        """Returns the counters."""
        return self._buffer.state()

    def events(self, stream: str, data: Any, *, values: Sequence[str] = (),
               attributes: Sequence[str] = (), timeout: float = 60.0,
               in_flight: int = 4) -> Written:
        """Sends columns `entity`, `timestamp`, `value`, `unique_id` of a mapping of
        arrays or of a pandas or Polars frame, and waits until they are settled.
        `values` and `attributes` name further columns."""
        self._start()
        until = monotonic() + timeout
        columns = Columns(data, values, attributes, self._must_identify)
        path = f"/api/v1/streams/{quote(stream, safe='')}/events"
        sums = Written(accepted=0, duplicates=0, refused=0)
        failures: list[ViaError] = []

        def send(body: bytes) -> None:
            if failures:
                return
            try:
                number = self._sender.numbered(until)
                answer = self._sender.deliver(path, number, body, until)
            except ViaError as error:
                failures.append(error)
            except Stopped:
                failures.append(Retry("the client is closed", "closed"))
            else:
                for name in ("accepted", "duplicates", "refused"):
                    sums[name] += answer[name]

        with ThreadPoolExecutor(in_flight, "via-columns") as pool:
            waiting: list[Future[None]] = []
            for _, body in columns.parts():
                if len(waiting) >= in_flight:
                    waiting.pop(0).result()
                waiting.append(pool.submit(send, body))
        if failures:
            failures[0].accepted = sums["accepted"]
            raise failures[0]
        return sums

    def score(self, stream: str, entity: str | int | None, value: float = 1.0, *,
              timestamp: Any = None, unique_id: str | None = None,
              attributes: Mapping[str, Any] | None = None,
              values: Mapping[str, float] | None = None, timeout: float | None = None) -> Score:
        """Applies one event and returns its verdict."""
        body = _encode(entity, value, timestamp, unique_id, attributes, values)
        path = f"/api/v1/streams/{quote(stream, safe='')}/score"
        answer = self._call("POST", path, body, timeout, may_apply_twice=False)
        if not answer["scores"]:
            why = (answer["refusals"] or [{"reason": "it was seen before", "code": "duplicate"}])[0]
            raise Rejected(why["reason"], why["code"], 200)
        verdict: Score = answer["scores"][0]
        return verdict

    def detections(self, *, stream: str | None = None, entity: str | None = None,
                   severity: str | None = None, min_score: float | None = None,
                   detector: str | None = None, state: str | None = None,
                   since: str | None = None, until: str | None = None,
                   sort: str | None = None, page: int = 100) -> Iterator[Detection]:
        """Iterates over recorded detections, fetching page after page."""
        words = _words(stream=stream, entity=entity, severity=severity, min_score=min_score,
                       detector=detector, state=state, until=until, sort=sort, limit=page,
                       **{"from": since})
        while True:
            answer = self._call("GET", f"/api/v1/detections?{urlencode(words)}")
            yield from answer["items"]
            if not answer.get("next"):
                return
            words["cursor"] = answer["next"]

    def detection(self, id: str) -> Detection:
        """Returns one detection."""
        found: Detection = self._call("GET", f"/api/v1/detections/{quote(id, safe='')}")
        return found

    def entity(self, stream: str, entity: str) -> dict[str, Any]:
        """Returns what is normal for an entity."""
        path = f"/api/v1/streams/{quote(stream, safe='')}/entities/{quote(entity, safe='')}"
        return dict(self._call("GET", path))

    def stats(self) -> dict[str, Any]:
        """Returns the node's counts."""
        return dict(self._call("GET", "/api/v1/stats"))

    def feedback(self, id: str, label: Label, *, note: str = "", author: str = "") -> Labelled:
        """Says something of a detection; said again it changes nothing."""
        body = json.dumps({"label": label, "note": note, "author": author}).encode()
        path = f"/api/v1/detections/{quote(id, safe='')}/feedback"
        said: Labelled = self._call("PUT", path, body)
        return said

    def take_back(self, id: str) -> Labelled:
        """Takes back what was said of a detection."""
        path = f"/api/v1/detections/{quote(id, safe='')}/feedback"
        said: Labelled = self._call("DELETE", path)
        return said

    def subscribe(self, start: str | None = None, *, stream: str | None = None,
                  entity: str | None = None, severity: str | None = None) -> Feed:
        """Follows detections live, from a cursor or from now."""
        words = _words(stream=stream, entity=entity, severity=severity)
        return Feed(self._settings, self._wire, start, words)

    def _call(self, method: str, path: str, body: bytes | None = None,
              timeout: float | None = None, may_apply_twice: bool = True) -> Any:
        until = monotonic() + (self._settings.timeout if timeout is None else timeout)
        patience = Patience(self._settings, self._wire)
        headers = {} if body is None else {"Content-Type": "application/json"}
        while True:
            try:
                left = max(0.001, until - monotonic())
                answer = self._wire.call(method, path, body, headers, left, may_apply_twice)
                return json.loads(answer)
            except ValueError as error:
                raise ViaError("the answer cannot be read", "no_answer") from error
            except ViaError as error:
                wait = patience.after(error)
                is_sure = isinstance(error, Retry)
                if isinstance(error, Rejected) or not (is_sure or may_apply_twice) or monotonic() + wait > until:
                    raise
                self._sender.pause(wait)


def _words(**given: Any) -> dict[str, str]:
    return {name: str(value) for name, value in given.items() if value is not None}


def _after_fork() -> None:
    for client in list(_living):
        client._begin()


def _at_exit() -> None:
    for client in list(_living):
        client.close(client._settings.exit_timeout)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
atexit.register(_at_exit)
