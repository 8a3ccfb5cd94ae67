"""How long to wait between attempts, and when to try another address."""

from __future__ import annotations

import random

from .errors import LONGEST_WAIT, ViaError
from .settings import Settings
from .wire import Wire

#: Failures that another node may not have.
_ELSEWHERE = ("no_answer", "not_ready", "shutting_down")


class Patience:
    """The repeats of one request."""

    def __init__(self, settings: Settings, wire: Wire) -> None:
        self._min, self._max = settings.backoff_min, settings.backoff_max
        self._wire = wire
        self._attempt = 0
        self._tried = 1

    def after(self, error: ViaError) -> float:
        """Says how long to wait after a failed attempt, seconds."""
        if error.code in _ELSEWHERE and self._wire.addresses > 1:
            self._wire.leave(getattr(error, "address", self._wire.current))
            if self._tried < self._wire.addresses:
                self._tried += 1
                return 0.0
        self._tried = 1
        most = min(self._max, self._min * 2.0 ** min(self._attempt, 60))
        self._attempt += 1
        asked = min(error.retry_after or 0.0, LONGEST_WAIT)
        return max(random.uniform(0.0, most), asked)
