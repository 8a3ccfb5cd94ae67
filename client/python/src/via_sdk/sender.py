"""Sends batches under numbers, again and again until they are settled. Owns the
threads and the producer's name; knows nothing of how events are captured."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from time import monotonic
from typing import Any, Callable
from urllib.parse import quote

from . import slot as slots
from .buffer import Batch, Buffer
from .errors import Rejected, Retry, Unknown, ViaError
from .patience import Patience
from .settings import Settings
from .spool import Number, Segment, Spool, read
from .wire import Wire

#: Told of an answer; or, without one, of the reason why the events are lost.
Settled = Callable[[int, dict[str, Any] | None, str, bytes], None]


class Stopped(Exception):
    """The client was closed while a batch was being sent."""


class Numbering:
    """The producer's name, and the numbers given under it."""

    def __init__(self, name: str, wire: Wire) -> None:
        self._name, self._wire = name, wire
        self._identity: tuple[int, int] | None = None
        self._sequence = 0
        self.lock = threading.Lock()

    def next(self) -> Number | None:
        """Gives the next number, if the name is open."""
        with self.lock:
            if self._identity is None:
                return None
            self._sequence += 1
            return (*self._identity, self._sequence)

    def holds(self, number: Number | None) -> bool:
        """Says whether a number belongs to the identity that is open now."""
        return number is not None and number[:2] == self._identity

    def open(self, unlike: tuple[int, int] | None = None) -> None:
        """Opens the name, unless it is open under another identity than that."""
        with self.lock:
            if self._identity is not None and self._identity != unlike:
                return
            body = json.dumps({"name": self._name}).encode()
            answer = self._wire.call("POST", "/api/v1/producers", body,
                                     {"Content-Type": "application/json"})
            try:
                opened = json.loads(answer)
                self._identity = (int(opened["producer"]), int(opened["epoch"]))
            except (ValueError, KeyError, TypeError) as error:
                raise ViaError("the answer cannot be read", "no_answer") from error
            self._sequence = 0


class Sender:
    """Threads between a buffer and the nodes."""

    def __init__(self, settings: Settings, buffer: Buffer, wire: Wire) -> None:
        self._settings, self._buffer, self._wire = settings, buffer, wire
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._slot: slots.Slot | None = None
        self._spool: Spool | None = None
        self.numbering: Numbering | None = None
        self._left: list[Segment] = []
        self._recovery = threading.Lock()
        self._has_recovered = False

    def start(self) -> None:
        """Takes a name and begins to send."""
        settings = self._settings
        if settings.producer is not False:
            under = slots.root(settings.spool_dir)
            self._slot = slots.hold(settings.producer, under)
            self.numbering = Numbering(self._slot.name, self._wire)
            if settings.spool_dir is not None:
                self._spool = Spool(self._slot.folder, settings.spool_bytes)
                self._left = self._spool.find(self._damaged)
                self._found(self._left)
                self._run(self._fill_spool, "via-spool")
        for _ in range(settings.in_flight):
            self._run(self._send_spooled if self._spool else self._send_buffered, "via-send")

    def stop(self, within: float) -> None:
        """Ends the threads; a batch in flight is given up after `within` seconds."""
        self._stop.set()
        if self._spool is not None:
            self._spool.end()
        until = monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))
        if self._slot is not None:
            self._slot.release()

    def wait_spooled(self, until: float) -> bool:
        """Waits until the spool is empty."""
        if self._spool is None:
            return True
        return self._spool.wait_empty(until - monotonic(), lambda: self._buffer.elsewhere == 0)

    def deliver(self, path: str, number: Number | None, body: bytes,
                until: float | None = None) -> dict[str, Any]:
        """Repeats a batch until it is answered or given up.

        Raises the failure that gave it up; `Stopped` when the client closes."""
        patience = Patience(self._settings, self._wire)
        headers = {"Content-Type": "application/x-ndjson"}
        if number is not None:
            headers |= {"X-Via-Producer": str(number[0]), "X-Via-Epoch": str(number[1]),
                        "X-Via-Sequence": str(number[2])}
        lost = self._buffer.counters.lost
        if lost:
            headers["X-Via-Lost"] = ",".join(f"{why}={count}" for why, count in list(lost.items()))
        in_doubt = False
        while True:
            try:
                return _counts(self._wire.call("POST", path, body, headers))
            except ViaError as error:
                self.tell(error)
                if error.code == "sequence_too_old":
                    raise
                in_doubt = in_doubt or error.is_after_lost
                if isinstance(error, Rejected):
                    if not in_doubt:
                        raise
                    # A refusal tells nothing of the attempt before it.
                    raise Unknown(error.detail, error.code, error.status,
                                  error.request_id) from error
                in_doubt = in_doubt or not isinstance(error, Retry)
                self._pause(patience.after(error), until, error)
                with self._buffer.lock:
                    self._buffer.counters.repeats += 1

    def numbered(self, until: float | None = None) -> Number | None:
        """Gives the next number, opening the name first where it is not open."""
        if self.numbering is None:
            return None
        self.recover()
        number = self.numbering.next()
        if number is None:
            self._open(None, until)
            number = self.numbering.next()
        return number

    def reopen(self, number: Number) -> None:
        """Opens the name anew after the node has forgotten its epoch."""
        self._open(number[:2], None)

    def tell(self, error: ViaError) -> None:
        """Remembers a failure and tells it to whoever asked."""
        self._buffer.counters.last_error = str(error)
        if self._settings.on_error is not None:
            try:
                self._settings.on_error(error)
            except Exception:  # noqa: BLE001 - the caller's own failure ends nothing here
                pass

    def recover(self) -> None:
        """Sends what earlier processes left, before the name is opened."""
        with self._recovery:
            if self._has_recovered or self._spool is None:
                return
            fresh = [segment for segment in self._left if segment.number is None]
            for segment in self._left:
                if segment.number is not None:
                    self._send_segment(segment, self._spool)
            self._adopt()
            self._spool.put_back(fresh)
            self._has_recovered = True

    def _adopt(self) -> None:
        assert self._slot is not None
        under = slots.root(self._settings.spool_dir)
        for folder in sorted(under.iterdir()):
            is_ours = (folder / "lock").exists() and any(folder.glob("*.batch"))
            if folder == self._slot.folder or not is_ours:
                continue
            other = slots.try_hold(folder.name, under)
            if other is None:
                continue
            try:
                spool = Spool(folder, self._settings.spool_bytes)
                segments = spool.find(self._damaged)
                self._found(segments)
                if any(segment.number is None for segment in segments):
                    under_name = Numbering(other.name, self._wire)
                else:
                    under_name = None
                for segment in sorted(segments, key=lambda segment: segment.number is None):
                    self._send_segment(segment, spool, under_name)
            finally:
                other.release()

    def _found(self, segments: list[Segment]) -> None:
        events = sum(segment.events for segment in segments)
        with self._buffer.lock:
            self._buffer.counters.recovered += events
            self._buffer.elsewhere += events

    def _damaged(self, path: Path) -> None:
        self.tell(ViaError(f"{path} does not match its checksum and was set aside", "damaged"))

    def _run(self, target: Callable[[], None], name: str) -> None:
        thread = threading.Thread(target=self._guard, args=(target,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            target()
        except Stopped:
            pass

    def _fill_spool(self) -> None:
        spool = self._spool
        assert spool is not None
        while (batch := self._buffer.take()) is not None:
            body = b"\n".join(batch.lines)
            if not self._fits(spool, len(body) + 256):
                self._buffer.lose("spool", len(batch.lines))
                self._buffer.settle(batch)
                continue
            number = self.numbering.next() if self.numbering and self._has_recovered else None
            try:
                self._buffer.move(batch)
                spool.add(batch.stream, len(batch.lines), number, body)
            except OSError as error:
                self.tell(ViaError(f"the spool cannot be written: {error}", "spool"))
                self._gone(len(batch.lines), "spool")

    def _fits(self, spool: Spool, size: int) -> bool:
        while not spool.room(size):
            if self._settings.overflow == "drop_newest" or self._stop.is_set():
                return False
            if self._settings.overflow == "drop_oldest":
                dropped = spool.drop_oldest()
                if dropped is None:
                    return False
                self._gone(dropped, "spool")
            elif not spool.wait_room(size):
                return False
        return True

    def _gone(self, events: int, reason: str) -> None:
        with self._buffer.lock:
            self._buffer.elsewhere -= events
        self._buffer.lose(reason, events)

    def _send_spooled(self) -> None:
        assert self._spool is not None
        self.recover()
        while (segment := self._spool.take()) is not None:
            self._send_segment(segment, self._spool)

    def _send_segment(self, segment: Segment, spool: Spool,
                      numbering: Numbering | None = None) -> None:
        if segment.number is None:
            number = self._under(numbering) if numbering else self._next_number()
            segment = spool.give(segment, number)
        found = read(segment.path)
        if found is None:
            segment.path.replace(segment.path.with_suffix(".damaged"))
            self._damaged(segment.path)
            self._gone(segment.events, "spool")
            return
        assert segment.number is not None
        kept = segment
        outcome = self._outcome(segment.stream, segment.number, found[1],
                                lambda number: spool.give(kept, number))
        with self._buffer.lock:
            self._buffer.elsewhere -= segment.events
        self._settle(segment.events, *outcome, found[1])
        spool.remove(segment)

    def _under(self, numbering: Numbering) -> Number:
        while (number := numbering.next()) is None:
            self._persist(numbering.open)
        return number

    def _next_number(self) -> Number:
        assert self.numbering is not None
        while (number := self.numbering.next()) is None:
            self._open(None, None)
        return number

    def _send_buffered(self) -> None:
        while (batch := self._buffer.take()) is not None:
            body = b"\n".join(batch.lines)
            number = self.numbered()
            outcome = self._outcome(batch.stream, number, body)
            if not batch.is_settled:
                self._settle(len(batch.lines), *outcome, body, batch)

    def _outcome(self, stream: str, number: Number | None, body: bytes,
                 keep: Callable[[Number], object] | None = None,
                 ) -> tuple[dict[str, Any] | None, str]:
        path = f"/api/v1/streams/{quote(stream, safe='')}/events"
        while True:
            try:
                return self.deliver(path, number, body), ""
            except ViaError as error:
                if error.code == "never_opened" and number is not None:
                    self.reopen(number)
                    number = self._next_number()
                    if keep is not None:
                        keep(number)
                    continue
                if error.code == "fenced":
                    if self.numbering is None or self.numbering.holds(number):
                        self._buffer.stop("fenced")
                        self._buffer.abandon_waiting("fenced")
                    return None, "fenced"
                return None, "rejected" if isinstance(error, Rejected) else "unknown"

    def _settle(self, events: int, answer: dict[str, Any] | None, reason: str, body: bytes,
                batch: Batch | None = None) -> None:
        buffer = self._buffer
        with buffer.lock:
            counters = buffer.counters
            if answer is None:
                counters.lost[reason] = counters.lost.get(reason, 0) + events
            else:
                counters.batches += 1
                counters.accepted += answer["accepted"]
                counters.duplicates += answer["duplicates"]
                counters.refused += answer["refused"]
            if batch is not None:
                buffer.forget(batch)
        if answer is not None and answer.get("refusals") and self._settings.on_refused is not None:
            lines = body.split(b"\n")
            for refusal in answer["refusals"]:
                try:
                    self._settings.on_refused(refusal, lines[refusal["line"] - 1].decode())
                except Exception:  # noqa: BLE001 - the caller's own failure ends nothing here
                    pass

    def _open(self, unlike: tuple[int, int] | None, until: float | None) -> None:
        assert self.numbering is not None
        numbering = self.numbering
        self._persist(lambda: numbering.open(unlike), until)

    def _persist(self, attempt: Callable[[], None], until: float | None = None) -> None:
        patience = Patience(self._settings, self._wire)
        while True:
            try:
                return attempt()
            except ViaError as error:
                self.tell(error)
                self._pause(patience.after(error), until, error)

    def pause(self, seconds: float) -> None:
        """Waits, but no longer than the client lives."""
        self._stop.wait(seconds)

    def _pause(self, seconds: float, until: float | None, error: ViaError) -> None:
        if until is not None and monotonic() + seconds > until:
            raise error
        if self._stop.wait(seconds) or self._stop.is_set():
            raise Stopped from error


def _counts(answer: bytes) -> dict[str, Any]:
    try:
        read_answer = json.loads(answer)
        for name in ("accepted", "duplicates", "refused"):
            read_answer[name] = int(read_answer[name])
        return dict(read_answer)
    except (ValueError, KeyError, TypeError) as error:
        raise ViaError("the answer cannot be read", "no_answer") from error
