"""Runs the command line against a real node: what it prints, and how it ends.

    python3 cli.py --node via-node --via target/debug/via
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from node import Node

LINES = """{"entity":"host-1","value":1.5,"timestamp":"2026-01-31T12:00:00Z","attributes":{"route":"/a"}}

{"entity":"host-2","values":{"lag":0.25},"unique_id":"u-1"}
{"entity":"host-2","unique_id":"u-1"}
"""


class Shell:
    """Runs commands against one node."""

    def __init__(self, via: str, url: str) -> None:
        self._via = via
        self._environment = {**os.environ, "VIA_URL": url}
        self._environment.pop("VIA_API_KEY", None)

    def run(self, words: str, ends: int = 0, given: str = "") -> list[Any]:
        """Runs a command and returns the documents that it prints."""
        done = subprocess.run([self._via, "--json", *words.split()], input=given, text=True,
                              capture_output=True, env=self._environment, timeout=60)
        assert done.returncode == ends, f"via {words}: {done.returncode}, not {ends}: {done.stderr}"
        return [json.loads(line) for line in done.stdout.splitlines()]


def check(shell: Shell, node: Node, via: str) -> None:
    """Says what every command does."""
    sent, = shell.run("send web -", given=LINES)
    assert (sent["accepted"], sent["duplicates"]) == (2, 1), sent
    sent, = shell.run("send web -", ends=5, given='{"entity":"host-1"}\n{"entity":""}\nno\n')
    assert (sent["accepted"], sent["refused"]) == (1, 1), sent
    assert node.ask("/api/v1/streams/web/entities/host-1")["events"] == 2
    score, = shell.run("score web host-1 2.5")
    assert 0 <= score["score"] <= 1, score
    streams, = shell.run("list streams")
    assert "web" in json.dumps(streams)
    stream, = shell.run("show streams web")
    config = json.dumps({"timing": {"lateness_secs": 60}})
    shell.run(f"replace streams web/config - --revision {stream['revision']}", given=config)
    shell.run(f"replace streams web/config - --revision {stream['revision']}", ends=1, given=config)
    shell.run("create streams -", given='{"name": "made"}')
    assert shell.run("detections --limit 5") == []
    shell.run("feedback d1-2-3 false-alarm", ends=1)
    shell.run("show streams nowhere", ends=1)
    shell.run("list nothing", ends=2)
    Shell(via, "http://127.0.0.1:9").run("score web host-1 2.5", ends=3)
    subprocess.run([via, "completion", "bash"], check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", required=True, help="a via-node binary")
    parser.add_argument("--via", required=True, help="the built command line")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="via-cli-"))
    node = Node(given.node, folder)
    node.start()
    try:
        check(Shell(given.via, node.url), node, given.via)
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    print("every command did what it should")
    return 0


if __name__ == "__main__":
    sys.exit(main())
