"""Runs the lines with which each SDK's README begins, against a real node.

    python3 quickstart.py --node via-node --rust target/debug/examples/start python typescript rust

Rust's lines are a program that was built: its own test says that they are the same.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from node import Node

CLIENT = Path(__file__).resolve().parent.parent


def command(language: str, code: str, folder: Path, rust: str | None) -> list[str]:
    """Makes a program of the lines and says how it is run."""
    if language == "rust":
        assert rust is not None, "--rust is needed"
        return [rust]
    if language == "python":
        return [sys.executable, "-c", code]
    built = (CLIENT / "typescript/dist/node.js").as_uri()
    program = folder / "start.mjs"
    program.write_text(code.replace("@via/sdk", built), encoding="utf-8")
    return ["node", str(program)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", required=True, help="a via-node binary")
    parser.add_argument("--rust", help="the built example `start` of client/rust")
    parser.add_argument("languages", nargs="+", choices=["python", "typescript", "rust"])
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="via-sdk-start-"))
    node = Node(given.node, folder)
    node.start()
    try:
        for language in given.languages:
            page = (CLIENT / language / "README.md").read_text(encoding="utf-8")
            code = re.findall(r"^```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)[0]
            lines = [line for line in code.splitlines() if line.strip()]
            assert len(lines) <= 5 and "http://127.0.0.1:8080" in code, code
            before = node.ask("/api/v1/stats")["events"]
            code = code.replace("http://127.0.0.1:8080", node.url)
            subprocess.run(command(language, code, folder, given.rust),
                           check=True, timeout=60, env={
                               **os.environ, "TMPDIR": str(folder), "VIA_URL": node.url,
                               "PYTHONPATH": str(CLIENT / "python/src")})
            events = node.ask("/api/v1/stats")["events"] - before
            print(f"{language}: {len(lines)} lines, {events} event held by the node")
            assert events == 1, "the node holds another number of events"
    finally:
        node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
