"""One SDK's adapter as a process: requests and answers are lines of JSON."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import threading
from typing import Any


class Failed(Exception):
    """The SDK answered with an error of its own."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error


class Adapter:
    """A running adapter; `words` are the operations it lacks."""

    def __init__(self, command: str, folder: str) -> None:
        environment = {**os.environ, "TMPDIR": folder}
        for name in ("VIA_API_KEY", "VIA_URL"):
            environment.pop(name, None)
        self._process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, env=environment, text=True,
                                         encoding="utf-8")
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def ask(self, op: str, within: float = 60.0, **fields: Any) -> Any:
        """Asks for one operation and returns its result."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self._process.stdin.flush()
        line = self._lines.get(timeout=within)
        if line is None:
            raise AssertionError(f"the adapter ended at {op!r}")
        answer = json.loads(line)
        if not answer["ok"]:
            raise Failed(answer["error"])
        return answer.get("result", {})

    def kill(self) -> None:
        """Ends it without a chance to say anything."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self, within: float = 20.0) -> None:
        """Closes its input, so that it ends by itself."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)
