"""A fake node, and clients that are closed after their test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from fake import Fake
from via_sdk import Client


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps names of producers and settings of the environment apart."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("VIA_API_KEY", "VIA_URL"):
        monkeypatch.delenv(name, raising=False)
    os.environ["TMPDIR"] = str(tmp_path)


@pytest.fixture
def fake() -> Iterator[Fake]:
    """A node that answers as told."""
    fake = Fake()
    yield fake
    fake.hold(False)
    fake.close()


@pytest.fixture
def client(fake: Fake) -> Iterator[Callable[..., Client]]:
    """Makes clients of the fake node."""
    made: list[Client] = []

    def make(**settings: Any) -> Client:
        made.append(Client(fake.urls, **{"backoff_min": 0.001, **settings}))
        return made[-1]

    yield make
    for client in made:
        client.close(0)
