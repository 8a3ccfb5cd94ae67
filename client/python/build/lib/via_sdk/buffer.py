"""Events that were captured and are not settled: bounded, batched by stream.
Owns the counters, so that what was captured is always accounted for."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic

from .settings import Block, Settings
from .types import State


class Batch:
    """Events of one stream; frozen once it is sealed."""

    __slots__ = ("stream", "lines", "bytes", "since", "is_sealed", "is_taken", "is_settled")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.lines: deque[bytes] = deque()
        self.bytes = 0
        self.since = monotonic()
        self.is_sealed = self.is_taken = self.is_settled = False


class Counters:
    """Sums since the client began; guarded by the buffer's lock."""

    def __init__(self) -> None:
        self.captured = self.recovered = self.accepted = self.duplicates = self.refused = 0
        self.repeats = self.batches = 0
        self.lost: dict[str, int] = {}
        self.last_error = ""


class Buffer:
    """Hands batches from those who capture to those who send."""

    def __init__(self, settings: Settings) -> None:
        self._batch_events, self._batch_bytes = settings.batch_events, settings.batch_bytes
        self._queue_events, self._queue_bytes = settings.queue_events, settings.queue_bytes
        self._linger, self._overflow = settings.linger, settings.overflow
        self.lock = threading.Lock()
        self._wake = threading.Condition(self.lock)
        self._room = threading.Condition(self.lock)
        self._done = threading.Condition(self.lock)
        self._open: dict[str, Batch] = {}
        self._ready: deque[Batch] = deque()
        self._live: dict[Batch, None] = {}
        self._events = self._bytes = 0
        #: Events that are in the spool, or in parts sent from columns.
        self.elsewhere = 0
        self.counters = Counters()
        self.closed_as = ""

    def add(self, stream: str, line: bytes) -> None:
        """Takes an event, or counts it as lost."""
        size = len(line) + 1
        with self.lock:
            counters = self.counters
            counters.captured += 1
            if self.closed_as:
                self._lose(self.closed_as, 1)
                return
            if size > self._batch_bytes:
                self._lose("invalid", 1)
                return
            if (self._events >= self._queue_events or self._bytes + size > self._queue_bytes) \
                    and not self._make_room(size):
                self._lose(self.closed_as or "overflow", 1)
                return
            batch = self._open.get(stream)
            if batch is not None and batch.bytes + size > self._batch_bytes:
                self._seal(batch)
                batch = None
            if batch is None:
                batch = self._open[stream] = Batch(stream)
                self._live[batch] = None
                self._wake.notify()
            batch.lines.append(line)
            batch.bytes += size
            self._events += 1
            self._bytes += size
            if len(batch.lines) >= self._batch_events:
                self._seal(batch)

    def invalid(self) -> None:
        """Counts an event that cannot be encoded."""
        with self.lock:
            self.counters.captured += 1
            self._lose("invalid", 1)

    def take(self) -> Batch | None:
        """Waits for a batch that is due; none once the buffer has ended."""
        with self.lock:
            while True:
                if self._ready:
                    batch = self._ready.popleft()
                    batch.is_taken = True
                    return batch
                if self.closed_as and not self._open:
                    return None
                oldest = next(iter(self._open.values()), None)
                for batch in self._open.values():
                    if oldest is None or batch.since < oldest.since:
                        oldest = batch
                if oldest is None:
                    self._wake.wait()
                    continue
                left = oldest.since + self._linger - monotonic()
                if left <= 0:
                    self._seal(oldest)
                else:
                    self._wake.wait(left)

    def settle(self, batch: Batch) -> None:
        """Forgets a batch; its outcome has been counted."""
        with self.lock:
            self.forget(batch)

    def move(self, batch: Batch) -> None:
        """Forgets a batch that is in the spool now."""
        with self.lock:
            self.elsewhere += len(batch.lines)
            self.forget(batch)

    def seal_all(self) -> list[Batch]:
        """Seals what is open and returns every batch that is not settled."""
        with self.lock:
            for batch in list(self._open.values()):
                self._seal(batch)
            return list(self._live)

    def wait_settled(self, batches: list[Batch], until: float) -> bool:
        """Waits for these batches to be settled or moved."""
        with self.lock:
            for batch in batches:
                while not batch.is_settled:
                    left = until - monotonic()
                    if left <= 0:
                        return False
                    self._done.wait(left)
        return True

    def stop(self, reason: str) -> None:
        """Takes nothing more."""
        with self.lock:
            self.closed_as = self.closed_as or reason
            self._room.notify_all()
            self._wake.notify_all()

    def abandon_waiting(self, reason: str) -> None:
        """Counts what waits, and is not being sent, as lost."""
        with self.lock:
            self._abandon([batch for batch in self._live if not batch.is_taken], reason)

    def abandon_all(self, reason: str) -> None:
        """Counts everything that is held as lost."""
        with self.lock:
            self._abandon(list(self._live), reason)

    def lose(self, reason: str, events: int) -> None:
        """Counts a loss."""
        with self.lock:
            self._lose(reason, events)

    def state(self) -> State:
        """Copies the counters."""
        with self.lock:
            c = self.counters
            return State(captured=c.captured, recovered=c.recovered,
                         pending=self._events + self.elsewhere, accepted=c.accepted,
                         duplicates=c.duplicates, refused=c.refused, repeats=c.repeats,
                         batches=c.batches, lost=dict(c.lost), last_error=c.last_error)

    def _lose(self, reason: str, events: int) -> None:
        self.counters.lost[reason] = self.counters.lost.get(reason, 0) + events

    def _abandon(self, batches: list[Batch], reason: str) -> None:
        for batch in batches:
            self._lose(reason, len(batch.lines))
            self.forget(batch)
        self._open.clear()
        self._ready.clear()
        self._wake.notify_all()

    def _seal(self, batch: Batch) -> None:
        if self._open.get(batch.stream) is batch:
            del self._open[batch.stream]
        batch.is_sealed = True
        self._ready.append(batch)
        self._wake.notify()

    def forget(self, batch: Batch) -> None:
        """Ends a batch; the lock is held."""
        if batch.is_settled:
            return
        batch.is_settled = True
        self._live.pop(batch, None)
        self._events -= len(batch.lines)
        self._bytes -= batch.bytes
        self._room.notify_all()
        self._done.notify_all()

    def _make_room(self, size: int) -> bool:
        if isinstance(self._overflow, Block):
            until = monotonic() + self._overflow.timeout
            while self._events >= self._queue_events or self._bytes + size > self._queue_bytes:
                left = until - monotonic()
                if left <= 0 or self.closed_as:
                    return False
                self._room.wait(left)
            return not self.closed_as
        if self._overflow == "drop_newest" or size > self._queue_bytes:
            return False
        while self._events >= self._queue_events or self._bytes + size > self._queue_bytes:
            if not self._drop_oldest():
                return False
        return True

    def _drop_oldest(self) -> bool:
        batch = next((batch for batch in self._live if not batch.is_taken), None)
        if batch is None:
            return False
        dropped = batch.lines.popleft()
        size = len(dropped) + 1
        batch.bytes -= size
        self._events -= 1
        self._bytes -= size
        self._lose("overflow", 1)
        if not batch.lines:
            if self._open.get(batch.stream) is batch:
                del self._open[batch.stream]
            else:
                self._ready.remove(batch)
            self.forget(batch)
        return True
