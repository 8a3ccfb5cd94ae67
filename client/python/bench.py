"""What an event costs, and how many a second one client sends to a node on this
machine: medians of five.

    python3 bench.py --node via-node
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "src"), str(HERE.parent / "conformance")]

from node import Node  # noqa: E402
from via_sdk import Block, Client  # noqa: E402
from via_sdk.columns import Columns  # noqa: E402

RUNS = 5
EVENTS = 100_000
ROWS = 500_000


def told(name: str, unit: str, one: Callable[[], float]) -> None:
    """Measures and prints one figure."""
    figures = sorted(one() for _ in range(RUNS))
    print(f"{name:48} {statistics.median(figures):12,.2f} {unit}   "
          f"({figures[0]:,.2f} to {figures[-1]:,.2f})", flush=True)


def cost(attributes: dict[str, Any] | None) -> float:
    """Processor time of the capturing thread for one event, µs."""
    names = [f"host-{nth % 1_000}" for nth in range(EVENTS)]
    client = Client("http://127.0.0.1:9", queue_events=2 * EVENTS, queue_bytes=1 << 30)
    began = time.thread_time()
    for name in names:
        client.event("bench", name, 12.5, attributes=attributes)
    spent = time.thread_time() - began
    client.close(0)
    return spent / EVENTS * 1e6


def rate(url: str, in_flight: int) -> float:
    """Events a second, captured one by one and acknowledged."""
    names = [f"host-{nth % 1_000}" for nth in range(EVENTS)]
    client = Client(url, in_flight=in_flight, overflow=Block(60))
    began = time.perf_counter()
    for name in names:
        client.event("bench", name, 12.5)
    assert client.flush(60) and client.state()["accepted"] == EVENTS
    took = time.perf_counter() - began
    client.close()
    return EVENTS / took


def load(url: str, in_flight: int) -> float:
    """Processor time of this process for each event that is sent, µs."""
    began = time.process_time()
    rate(url, in_flight)
    return (time.process_time() - began) / EVENTS * 1e6


def table() -> dict[str, Any]:
    """Columns as an application has them."""
    import numpy
    at = time.time_ns() // 1_000
    return {"entity": numpy.array([f"host-{nth % 1_000}" for nth in range(ROWS)]),
            "value": numpy.random.default_rng(1).normal(size=ROWS),
            "timestamp": at + numpy.arange(ROWS)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", required=True, help="a via-node binary")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="via-sdk-bench-"))
    node = Node(given.node, folder)
    node.start()
    try:
        told("event(), processor time", "µs", lambda: cost(None))
        told("event() with two attributes, processor time", "µs",
             lambda: cost({"route": "/login", "status": 200}))
        for in_flight in (1, 4):
            told(f"event() to acknowledged, {in_flight} in flight", "/s",
                 lambda: rate(node.url, in_flight))
        told("event() to acknowledged, processor time", "µs", lambda: load(node.url, 4))
        columns = table()

        def encode() -> float:
            began = time.process_time()
            sum(len(body) for _, body in Columns(columns, (), ()).parts())
            return (time.process_time() - began) / ROWS * 1e6

        told("events(): columns to NDJSON, processor time", "µs", encode)

        def columnar() -> float:
            client = Client(node.url)
            began = time.perf_counter()
            assert client.events("bench", columns)["accepted"] == ROWS
            took = time.perf_counter() - began
            client.close()
            return ROWS / took

        told("events() to acknowledged", "/s", columnar)
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
