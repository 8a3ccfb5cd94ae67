"""The live feed: typed messages from a cursor on, across lost connections."""

from __future__ import annotations

import http.client
import json
import threading
from typing import Any, Iterator
from urllib.parse import urlencode

from .errors import Rejected, Unknown, ViaError
from .patience import Patience
from .settings import Settings
from .types import Message
from .wire import Wire


class Feed:
    """An iterator over the messages; ends when it is closed."""

    def __init__(self, settings: Settings, wire: Wire, start: str | None,
                 words: dict[str, str]) -> None:
        self._settings, self._wire, self._words = settings, wire, words
        #: Resume here: everything before it has been yielded.
        self.cursor = start
        self._ended = threading.Event()
        self._connection: Any = None
        self._messages = self._follow()

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        return next(self._messages)

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the feed, from any thread."""
        self._ended.set()
        connection = self._connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(2)
            except OSError:
                pass

    def _follow(self) -> Iterator[Message]:
        patience = Patience(self._settings, self._wire)
        greeted = False
        while not self._ended.is_set():
            try:
                for message in self._once():
                    patience = Patience(self._settings, self._wire)
                    self.cursor = message["cursor"]
                    if message["type"] == "hello":
                        if greeted:
                            continue
                        greeted = True
                    yield message
                failure: ViaError = Unknown("the feed ended", "no_answer")
            except Rejected:
                raise
            except ViaError as error:
                failure = error
            if not self._ended.is_set():
                self._ended.wait(patience.after(failure))

    def _once(self) -> Iterator[Message]:
        headers = {"Accept": "text/event-stream"}
        if self.cursor is not None:
            headers["Last-Event-ID"] = self.cursor
        query = f"?{urlencode(self._words)}" if self._words else ""
        self._connection, response = self._wire.stream(f"/api/v1/live{query}", headers)
        try:
            pieces: list[str] = []
            while line := response.readline():
                text = line.decode().rstrip("\r\n")
                if text.startswith("data:"):
                    pieces.append(text[5:].removeprefix(" "))
                elif not text and pieces:
                    yield json.loads("\n".join(pieces))
                    pieces = []
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unknown(str(error) or type(error).__name__, "no_answer") from error
        finally:
            self._connection.close()
