"""The Python SDK behind lines of JSON, for client/conformance."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from via_sdk import Block, Client, ViaError  # noqa: E402

client: Client | None = None


def special(value: Any) -> Any:
    """Makes what JSON cannot carry."""
    if not isinstance(value, dict) or set(value) != {"special"}:
        return value
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    return {"nan": float("nan"), "infinity": float("inf"), "text": "abc", "cycle": cycle,
            "lone_surrogate": "\ud800", "long": "a" * 3_000}[value["special"]]


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """Turns the contract's names and units into this SDK's."""
    made = {name.removesuffix("_ms"): value / 1000 if name.endswith("_ms") else value
            for name, value in given.items()}
    if isinstance(made.get("overflow"), dict):
        made["overflow"] = Block(made["overflow"]["block_ms"] / 1000)
    return made


def capture(event: dict[str, Any]) -> None:
    """Captures one event, or several that count up."""
    assert client is not None
    fields = {name: special(value) for name, value in event.items()}
    repeat, first = fields.pop("repeat", None), fields.pop("first", 0)
    if repeat is None:
        client.event(**fields)
    for nth in range(first, first + (repeat or 0)):
        client.event(**fields, value=nth)


def fork(event: dict[str, Any]) -> None:
    """Captures and flushes in a child."""
    assert client is not None
    child = os.fork()
    if child == 0:
        capture(event)
        os._exit(0 if client.flush(20) and client.close(5) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"


def perform(op: str, ask: dict[str, Any]) -> Any:
    """Performs one operation."""
    global client
    if op == "about":
        return {"lacks": [] if hasattr(os, "fork") else ["fork"]}
    if op == "init":
        client = Client(**settings(ask["settings"]))
        return {}
    if op == "reset":
        if client is not None:
            client.close(0)
        client = None
        return {}
    assert client is not None
    if op == "capture":
        return capture(ask["event"])
    if op == "pump":
        for nth in range(ask["first"], ask["until"]):
            client.event(ask["stream"], f"e-{nth % ask['entities']}", nth)
        return {}
    if op == "flush":
        return {"settled": client.flush(ask["timeout_ms"] / 1000)}
    if op == "close":
        return {"settled": client.close(ask["timeout_ms"] / 1000)}
    if op == "state":
        return client.state()
    if op == "fork":
        return fork(ask["event"])
    if op == "score":
        return client.score(**ask["event"])
    if op == "events":
        rows = range(ask["rows"])
        columns = {"entity": [f"e-{nth % 10}" for nth in rows], "value": [float(nth) for nth in rows]}
        return client.events(ask["stream"], columns, in_flight=1)
    if op == "detections":
        found = [detection["id"] for detection in client.detections(page=ask["page"])]
        return {"count": len(found), "first": found[0], "last": found[-1]}
    if op == "feedback":
        return client.feedback(ask["id"], ask["label"], note=ask["note"])
    if op == "take_back":
        return client.take_back(ask["id"])
    if op == "follow":
        with client.subscribe(ask.get("from")) as feed:
            return {"messages": list(itertools.islice(feed, ask["count"]))}
    raise AssertionError(f"unknown operation {op}")


def main() -> None:
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            answer = {"ok": True, "result": perform(ask.pop("op"), ask)}
        except ViaError as error:
            answer = {"ok": False, "error": {
                "type": error.fate, "code": error.code, "status": error.status,
                "request_id": error.request_id, "retry_after": error.retry_after}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
