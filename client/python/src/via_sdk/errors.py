"""The three fates of a request as exceptions, and how an answer becomes one."""

from __future__ import annotations

import json
from typing import Any, Mapping


class ViaError(Exception):
    """A request that failed. Its class says what to believe of it."""

    fate = "unknown"

    def __init__(self, detail: str, code: str = "", status: int = 0, request_id: str = "",
                 retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if code else detail)
        self.detail = detail
        #: The stable name of the failure; ``no_answer`` when nothing was answered.
        self.code = code
        #: The HTTP status; 0 when nothing was answered.
        self.status = status
        self.request_id = request_id
        #: Seconds to wait before a repeat, where the node said so.
        self.retry_after = retry_after
        #: The same was sent before, on a connection that broke: it may have arrived.
        self.is_after_lost = False
        #: Events accepted before the failure, where several were sent.
        self.accepted = 0


class Rejected(ViaError):
    """Surely not applied; repeating is useless."""

    fate = "rejected"


class Retry(ViaError):
    """Surely not applied; repeat it after ``retry_after`` seconds."""

    fate = "retry"


class Unknown(ViaError):
    """May have been applied; repeat it only under the same number."""

    fate = "unknown"


_BY_FATE: dict[str, type[ViaError]] = {"rejected": Rejected, "retry": Retry, "unknown": Unknown}
#: The longest wait that a node may ask for, seconds.
LONGEST_WAIT = 300.0


def of_answer(status: int, headers: Mapping[str, str], body: bytes) -> ViaError:
    """Reads a failed answer: the document's fate, else what the status says."""
    problem: dict[str, Any] = {}
    if "json" in headers.get("content-type", ""):
        try:
            read = json.loads(body)
            problem = read if isinstance(read, dict) else {}
        except ValueError:
            pass
    kind = _BY_FATE.get(str(problem.get("fate")))
    if kind is None:
        if status in (408, 429, 503):
            kind = Retry
        else:
            kind = Unknown if status >= 500 else Rejected
    return kind(
        str(problem.get("detail") or body[:200].decode("utf-8", "replace") or f"status {status}"),
        str(problem.get("code") or f"status_{status}"),
        status,
        str(problem.get("request_id") or headers.get("x-request-id") or ""),
        _wait(problem.get("retry_after_ms"), headers.get("retry-after")),
    )


def _wait(millis: object, seconds: str | None) -> float | None:
    try:
        if isinstance(millis, (int, float)):
            wait = millis / 1000
        elif seconds is not None:
            wait = float(seconds)
        else:
            return None
    except ValueError:
        return None
    return min(max(wait, 0.0), LONGEST_WAIT) if wait == wait else None
