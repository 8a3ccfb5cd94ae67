"""Sealed batches as files, so that they survive the process. Owns their form."""

from __future__ import annotations

import os
import threading
import zlib
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable

#: Producer, epoch and sequence; none while the name is not open.
Number = tuple[int, int, int]


@dataclass
class Segment:
    """A batch on disk."""

    path: Path
    stream: str
    events: int
    size: int
    number: Number | None
    is_taken: bool = False


def write(path: Path, stream: str, events: int, number: Number | None, body: bytes) -> Segment:
    """Writes a batch beside its place and puts it there."""
    producer, epoch, sequence = number or (0, 0, 0)
    rest = f"{len(body)} {producer} {epoch} {sequence} {events} {stream}\n".encode() + body
    data = b"via-spool 1 %08x " % zlib.crc32(rest) + rest
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    os.replace(beside, path)
    return Segment(path, stream, events, len(data), number)


def read(path: Path) -> tuple[Segment, bytes] | None:
    """Reads a batch; nothing when it is not what was written."""
    data = path.read_bytes()
    head, _, body = data.partition(b"\n")
    try:
        magic, form, crc, length, producer, epoch, sequence, events, stream = head.decode().split(" ")
        if (magic, form) != ("via-spool", "1") or int(length) != len(body) \
                or int(crc, 16) != zlib.crc32(data[21:]):
            return None
        number = (int(producer), int(epoch), int(sequence))
    except ValueError:
        return None
    segment = Segment(path, stream, int(events), len(data), number if number[2] else None)
    return segment, body


class Spool:
    """The batches of one name, oldest first."""

    def __init__(self, folder: Path, cap: int) -> None:
        self._folder, self._cap = folder, cap
        self._changed = threading.Condition()
        self._waiting: deque[Segment] = deque()
        self._size = 0
        self._next = 1
        self._ended = False

    def find(self, damaged: Callable[[Path], None]) -> list[Segment]:
        """Returns what an earlier process left, in order; sets aside what is damaged."""
        found = []
        for path in sorted(self._folder.glob("*.batch")):
            self._next = max(self._next, int(path.stem) + 1)
            read_back = read(path)
            if read_back is None:
                os.replace(path, path.with_suffix(".damaged"))
                damaged(path)
                continue
            found.append(read_back[0])
            self._size += read_back[0].size
        return found

    def room(self, size: int) -> bool:
        """Says whether a batch of that size fits."""
        return self._size + size <= self._cap

    def wait_room(self, size: int) -> bool:
        """Waits until it fits; says no once the spool has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self.room(size))
            return not self._ended

    def drop_oldest(self) -> int | None:
        """Deletes the oldest batch that is not in flight; returns its events."""
        with self._changed:
            if not self._waiting:
                return None
            segment = self._waiting.popleft()
        self.remove(segment)
        return segment.events

    def add(self, stream: str, events: int, number: Number | None, body: bytes) -> None:
        """Keeps a batch."""
        path = self._folder / f"{self._next:020}.batch"
        self._next += 1
        segment = write(path, stream, events, number, body)
        with self._changed:
            self._size += segment.size
            self._waiting.append(segment)
            self._changed.notify_all()

    def put_back(self, segments: list[Segment]) -> None:
        """Queues what was found before everything else."""
        with self._changed:
            self._waiting.extendleft(reversed(segments))
            self._changed.notify_all()

    def take(self) -> Segment | None:
        """Waits for the oldest batch; none once the spool has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._waiting))
            if self._ended:
                return None
            return self._waiting.popleft()

    def give(self, segment: Segment, number: Number) -> Segment:
        """Gives a batch its number, on disk first."""
        again = read(segment.path)
        if again is None:
            raise OSError(f"{segment.path} changed on disk")
        written = write(segment.path, segment.stream, segment.events, number, again[1])
        return replace(written, is_taken=True)

    def remove(self, segment: Segment) -> None:
        """Forgets a settled batch."""
        segment.path.unlink(missing_ok=True)
        with self._changed:
            self._size -= segment.size
            self._changed.notify_all()

    def wait_empty(self, timeout: float, is_empty: Callable[[], bool]) -> bool:
        """Waits until everything is settled."""
        with self._changed:
            return self._changed.wait_for(is_empty, timeout)

    def end(self) -> None:
        """Lets everybody who waits go."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
