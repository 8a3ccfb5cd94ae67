"""The same client for asyncio: capture is the same call, everything that waits
is awaited, on threads of its own."""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Iterator, Sequence, TypeVar

from .client import Client
from .feed import Feed
from .types import Detection, Label, Labelled, Message, Score, State, Written

T = TypeVar("T")
_END: Any = object()


class AsyncClient:
    """A `Client` whose waiting calls are coroutines."""

    def __init__(self, urls: str | Sequence[str] | None = None, **settings: Any) -> None:
        self.sync = Client(urls, **settings)
        #: Captures an event, as `Client.event` does; nothing to await.
        self.event = self.sync.event

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def state(self) -> State:
        """Returns the counters."""
        return self.sync.state()

    async def flush(self, timeout: float = 30.0) -> bool:
        """Waits until everything captured before is settled."""
        return await asyncio.to_thread(self.sync.flush, timeout)

    async def close(self, timeout: float = 30.0) -> bool:
        """Stops capturing, flushes and ends."""
        return await asyncio.to_thread(self.sync.close, timeout)

    async def events(self, stream: str, data: Any, **how: Any) -> Written:
        """Sends columns and waits until they are settled."""
        return await asyncio.to_thread(self.sync.events, stream, data, **how)

    async def score(self, stream: str, entity: str | int | None, value: float = 1.0,
                    **how: Any) -> Score:
        """Applies one event and returns its verdict."""
        return await asyncio.to_thread(self.sync.score, stream, entity, value, **how)

    def detections(self, **words: Any) -> AsyncIterator[Detection]:
        """Iterates over recorded detections, fetching page after page."""
        return _stepwise(self.sync.detections(**words))

    async def detection(self, id: str) -> Detection:
        """Returns one detection."""
        return await asyncio.to_thread(self.sync.detection, id)

    async def entity(self, stream: str, entity: str) -> dict[str, Any]:
        """Returns what is normal for an entity."""
        return await asyncio.to_thread(self.sync.entity, stream, entity)

    async def stats(self) -> dict[str, Any]:
        """Returns the node's counts."""
        return await asyncio.to_thread(self.sync.stats)

    async def feedback(self, id: str, label: Label, *, note: str = "",
                       author: str = "") -> Labelled:
        """Says something of a detection."""
        return await asyncio.to_thread(self.sync.feedback, id, label, note=note, author=author)

    async def take_back(self, id: str) -> Labelled:
        """Takes back what was said of a detection."""
        return await asyncio.to_thread(self.sync.take_back, id)

    async def subscribe(self, start: str | None = None, **words: Any) -> AsyncIterator[Message]:
        """Follows detections live; ends when the loop over it is left."""
        feed: Feed = self.sync.subscribe(start, **words)
        try:
            async for message in _stepwise(feed):
                yield message
        finally:
            feed.close()


async def _stepwise(items: Iterator[T]) -> AsyncIterator[T]:
    while (item := await asyncio.to_thread(next, items, _END)) is not _END:
        yield item
