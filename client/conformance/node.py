"""A real node as a process: started, killed, asked."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any


class Node:
    """A node on one address with one folder, across restarts."""

    def __init__(self, binary: str, folder: Path) -> None:
        self._binary, self._folder = binary, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within: float = 60.0) -> None:
        """Starts it and waits until it is ready."""
        with open(self._folder / "node.log", "ab") as log:
            self._process = subprocess.Popen(
                [self._binary, "serve", "--data-dir", str(self._folder / "data"),
                 "--set", "access.required=false",
                 "--listen", f"127.0.0.1:{self.port}"], stdout=log, stderr=log)
        until = time.monotonic() + within
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=5).read()
                return
            except OSError as error:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "node.log").read_text()[-2000:]) from error
                time.sleep(0.05)

    def kill(self) -> None:
        """Ends it without a chance to finish anything."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def ask(self, path: str) -> Any:
        """Returns the document at a path."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)
