"""What the node answers, as types. Further members may appear; read what you know."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Severity = Literal["low", "medium", "high", "critical"]
Label = Literal["confirmed", "false_alarm", "expected"]


class Expected(TypedDict):
    """What was expected of a quantity."""

    value: float
    low: float
    high: float


class Contribution(TypedDict):
    """One term of a score."""

    detector: str
    feature: str
    evidence: float
    observed: float
    expected: float


class Feedback(TypedDict):
    """What somebody said of a detection."""

    label: Label
    note: str
    author: str
    at: str


class _Detection(TypedDict):
    id: str
    stream: str
    entity: str
    started: str
    peaked: str
    last: str
    state: Literal["open", "closed"]
    events: int
    score: float
    evidence: float
    threshold: float
    severity: Severity
    detector: str
    direction: Literal["above", "below", "changed"]
    value: float
    expected: Expected | None
    percentile: float | None
    contributions: list[Contribution]
    context: list[str]
    circumstances: list[dict[str, Any]]
    similar: list[dict[str, Any]]
    counterfactual: dict[str, Any] | None
    actions: list[str]
    reason: str
    attributes: dict[str, Any] | None
    revision: int
    engine: int


class Detection(_Detection, total=False):
    """An anomaly, with its explanation."""

    feedback: Feedback


class Score(TypedDict):
    """One event's verdict."""

    line: int
    score: float
    warming: bool
    expected: Expected | None
    contributions: list[Contribution]
    reason: str
    detection: str | None


class Labelled(TypedDict):
    """A detection that was labelled, and what that changed."""

    detection: Detection
    taught: dict[str, Any]


class Written(TypedDict):
    """What became of many events."""

    accepted: int
    duplicates: int
    refused: int


class Refusal(TypedDict):
    """One event that the node did not apply."""

    line: int
    code: str
    reason: str


class Hello(TypedDict):
    """Where a live feed begins."""

    type: Literal["hello"]
    cursor: str


class Change(TypedDict):
    """A detection opened, grew or was labelled."""

    type: Literal["detection"]
    cursor: str
    change: Literal["opened", "grown", "labelled"]
    detection: Detection


class Gap(TypedDict):
    """Some detections could not be delivered; the listing has them."""

    type: Literal["gap"]
    cursor: str


Message = Hello | Change | Gap


class State(TypedDict):
    """A client's counters."""

    captured: int
    recovered: int
    pending: int
    accepted: int
    duplicates: int
    refused: int
    repeats: int
    batches: int
    lost: dict[str, int]
    last_error: str
