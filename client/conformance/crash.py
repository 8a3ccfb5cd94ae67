"""Kills a node again and again while an SDK sends, then compares what the SDK
was told with what the node holds: they must be equal to the event.

    python3 crash.py --adapter "python3 ../python/conformance/adapter.py" --node via-node
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from adapter import Adapter
from node import Node

ENTITIES = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapter", required=True, help="the adapter's command")
    parser.add_argument("--node", required=True, help="a via-node binary")
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--in-flight", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    folder = Path(tempfile.mkdtemp(prefix="via-sdk-crash-"))
    node, adapter = Node(given.node, folder), Adapter(given.adapter, str(folder))
    began = time.monotonic()
    amid = 0
    try:
        node.start()
        adapter.ask("init", settings={
            "urls": [node.url], "producer": "crash", "in_flight": given.in_flight,
            "overflow": {"block_ms": 300_000}, "backoff_max_ms": 500})
        sent = 0
        for kill in range(given.kills):
            until = given.events * (kill + 1) // given.kills
            adapter.ask("pump", within=600, stream="crash", first=sent, until=until, entities=ENTITIES)
            sent = until
            # At once as often as not: the newest batches are surely under way then.
            time.sleep(draw.choice([0.0, draw.random() * 0.1]))
            amid += adapter.ask("state")["pending"] > 0
            node.kill()
            node.start()
        settled = adapter.ask("flush", within=600, timeout_ms=300_000)["settled"]
        state = adapter.ask("state")
        held = sum(node.ask(f"/api/v1/streams/crash/entities/e-{nth}")["events"]
                   for nth in range(ENTITIES))
    finally:
        adapter.kill()
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{given.kills} kills, {amid} of them while batches were pending; "
          f"{time.monotonic() - began:.0f} s; repeats {state['repeats']}; lost {state['lost']}")
    print(f"captured {state['captured']}, told accepted {state['accepted']}, held by the node {held}")
    is_exact = settled and state["accepted"] == held == state["captured"] == given.events
    print("equal" if is_exact and not state["lost"] else "NOT EQUAL")
    return 0 if is_exact and amid > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
