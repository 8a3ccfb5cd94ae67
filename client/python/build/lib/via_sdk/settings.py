"""What a client may be told, with the contract's defaults."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from typing import Callable, Literal, Union

from .errors import ViaError
from .types import Refusal

VERSION = "0.1.0"


@dataclass(frozen=True)
class Block:
    """Wait for room at most so many seconds, then drop the new event."""

    timeout: float


Overflow = Union[Literal["drop_oldest", "drop_newest"], Block]


def _urls() -> list[str]:
    given = os.environ.get("VIA_URL", "")
    return [url.strip() for url in given.split(",") if url.strip()] or ["http://127.0.0.1:8080"]


def _name() -> str:
    host = re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname())[:80]
    return f"python-{host or 'host'}"


@dataclass
class Settings:
    """Every setting; seconds and bytes where nothing else is said."""

    urls: list[str] = field(default_factory=_urls)
    key: str | None = field(default_factory=lambda: os.environ.get("VIA_API_KEY"), repr=False)
    ca_file: str | None = None
    #: The name under which batches are numbered; ``False``: unnumbered.
    producer: str | Literal[False] = field(default_factory=_name)
    batch_events: int = 500
    batch_bytes: int = 1 << 20
    linger: float = 1.0
    queue_events: int = 10_000
    queue_bytes: int = 64 << 20
    overflow: Overflow = "drop_oldest"
    in_flight: int = 1
    backoff_min: float = 0.1
    backoff_max: float = 30.0
    timeout: float = 10.0
    exit_timeout: float = 2.0
    spool_dir: str | None = None
    spool_bytes: int = 256 << 20
    #: Told of each event that the node refused, with its text. Runs on a thread
    #: of the client; must not block.
    on_refused: Callable[[Refusal, str], None] | None = None
    #: Told of each failed attempt and each batch that was given up.
    on_error: Callable[[ViaError], None] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.urls, str):
            self.urls = [self.urls]
        if not self.urls:
            raise ValueError("urls: at least one is needed")
        for url in self.urls:
            if not url.startswith(("http://", "https://")):
                raise ValueError(f"urls: {url!r} is neither http:// nor https://")
        if self.producer is not False and not re.fullmatch(
                r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", self.producer):
            raise ValueError("producer: 1 to 100 characters of [A-Za-z0-9._-], not beginning with a dot")
        if self.overflow not in ("drop_oldest", "drop_newest") and not isinstance(self.overflow, Block):
            raise ValueError("overflow: it is 'drop_oldest', 'drop_newest' or Block(timeout)")
        for name in ("batch_events", "batch_bytes", "queue_events", "queue_bytes", "in_flight"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: it must be at least 1")
