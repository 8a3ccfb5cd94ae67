"""A node that misbehaves as told, within the test's own process: what `client/fake` is
to every SDK's cases, with TLS and without a build."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Attempt:
    """One request for events as it came."""

    at: float
    stream: str
    number: tuple[str, str, str] | None
    body: bytes
    headers: dict[str, str]
    port: int


@dataclass
class Script:
    """What is answered, attempt by attempt; then everything is answered well."""

    events: list[dict[str, Any]] = field(default_factory=list)
    opens: list[dict[str, Any]] = field(default_factory=list)
    score: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, Any]] = field(default_factory=list)
    live: list[list[dict[str, Any]]] = field(default_factory=list)
    detections: int = 0


class Fake:
    """One or more addresses with one memory."""

    def __init__(self, addresses: int = 1) -> None:
        self.lock = threading.Condition()
        self._servers = [self._serve() for _ in range(addresses)]
        self.urls = [f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers]
        self.load(Script())

    def load(self, script: Script) -> None:
        """Forgets everything and follows another script."""
        with self.lock:
            self.script = script
            self.attempts: list[Attempt] = []
            self.opened: list[str] = []
            self.resumed: list[str | None] = []
            self.said: list[tuple[str, str, Any]] = []
            self.applied: list[tuple[str, dict[str, Any]]] = []
            self.faults: list[str] = []
            self.held = False
            self.lock.notify_all()
            self.waiting = 0
            self._epochs: dict[str, int] = {}
            self._ledger: dict[tuple[str, str, str], tuple[bytes, dict[str, Any]]] = {}
            self._unique: set[tuple[str, str]] = set()

    def encrypt(self, certificate: str, key: str) -> None:
        """Speaks TLS from now on."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        for server in self._servers:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        self.urls = [url.replace("http:", "https:") for url in self.urls]

    def hold(self, held: bool) -> None:
        """Lets requests for events wait, or go on."""
        with self.lock:
            self.held = held
            self.lock.notify_all()

    def wait(self, attempts: int, within: float = 20.0) -> bool:
        """Waits until so many attempts have come."""
        with self.lock:
            return self.lock.wait_for(lambda: len(self.attempts) >= attempts, within)

    def close(self) -> None:
        """Ends the addresses."""
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def _serve(self) -> ThreadingHTTPServer:
        handler = type("Door", (_Door,), {"fake": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def apply(self, attempt: Attempt) -> dict[str, Any]:
        """Applies a batch once and says what became of it; the lock is held."""
        if attempt.number is not None and attempt.number in self._ledger:
            body, answer = self._ledger[attempt.number]
            if body != attempt.body:
                self.faults.append(f"the number {attempt.number} names two contents")
            return {**answer, "repeated": True}
        counts: dict[str, Any] = {"accepted": 0, "duplicates": 0, "refused": 0, "refusals": []}
        for nth, line in enumerate(attempt.body.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                refused = None if "entity" in event and event["entity"] != "" else "entity_missing"
            except ValueError:
                event, refused = {}, "bad_json"
            unique = (str(event.get("entity")), str(event.get("unique_id")))
            if refused:
                counts["refused"] += 1
                counts["refusals"].append({"line": nth, "code": refused, "reason": "as told"})
            elif "unique_id" in event and unique in self._unique:
                counts["duplicates"] += 1
            else:
                self._unique.add(unique)
                counts["accepted"] += 1
                self.applied.append((attempt.stream, event))
        if attempt.number is not None:
            self._ledger[attempt.number] = (attempt.body, counts)
        return {**counts, "repeated": False}

    def open(self, name: str) -> dict[str, Any]:
        """Gives a name its next epoch; the lock is held."""
        self.opened.append(name)
        self._epochs[name] = self._epochs.get(name, 0) + 1
        return {"producer": list(self._epochs).index(name) + 1, "epoch": self._epochs[name]}


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    fake: Fake

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_OPTIONS(self) -> None:
        self._answer(204, {}, b"")

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        words = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/api/v1/live":
            return self._live()
        step = self._next("queries")
        if step and self._misbehave(step):
            return None
        if url.path == "/api/v1/detections":
            return self._page(words)
        if url.path == "/api/v1/stats":
            return self._json({"events": len(self.fake.applied)})
        return self._problem(404, "not_found", "rejected")

    def do_PUT(self) -> None:
        self._said()

    def do_DELETE(self) -> None:
        self._said()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = [unquote(part) for part in self.path.split("/")]
        if self.path == "/api/v1/producers":
            step = self._next("opens")
            if step and self._misbehave(step):
                return
            with self.fake.lock:
                answer = self.fake.open(json.loads(body)["name"])
            self._json(answer)
        elif parts[-1] == "events":
            self._events(parts[-2], body)
        elif parts[-1] == "score":
            self._score(body)
        else:
            self._problem(404, "not_found", "rejected")

    def _events(self, stream: str, body: bytes) -> None:
        names = ("x-via-producer", "x-via-epoch", "x-via-sequence")
        given = tuple(self.headers.get(name, "") for name in names)
        headers = {name.lower(): value for name, value in self.headers.items()}
        attempt = Attempt(monotonic(), stream, given if all(given) else None, body,  # type: ignore
                          headers, self.server.server_address[1])
        fake = self.fake
        with fake.lock:
            fake.attempts.append(attempt)
            fake.lock.notify_all()
            script = fake.script
            fake.lock.wait_for(lambda: not fake.held, 30)
            if fake.script is not script:
                # It belongs to a case that is over.
                self.close_connection = True
                return
        step = self._next("events")
        if step and step.get("apply"):
            with fake.lock:
                fake.apply(attempt)
        if step and self._misbehave(step):
            return
        with fake.lock:
            answer = fake.apply(attempt)
        self._json(answer)

    def _score(self, body: bytes) -> None:
        step = self._next("score")
        if step and self._misbehave(step):
            return
        event = json.loads(body)
        counts = {"accepted": 1, "duplicates": 0, "refused": 0, "repeated": False, "refusals": []}
        if not event.get("entity"):
            refusal = {"line": 1, "code": "entity_missing", "reason": "no entity"}
            self._json({**counts, "accepted": 0, "refused": 1, "refusals": [refusal], "scores": []})
            return
        score = {"line": 1, "score": 0.5, "warming": False, "expected": None, "contributions": [],
                 "reason": event["entity"], "detection": None}
        with self.fake.lock:
            self.fake.applied.append(("score", event))
        self._json({**counts, "scores": [score]})

    def _said(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        step = self._next("queries")
        if step and self._misbehave(step):
            return
        with self.fake.lock:
            self.fake.said.append((self.command, self.path, json.loads(body) if body else None))
        self._json({"detection": {"id": self.path.split("/")[-2]}, "taught": {"labels": 1}})

    def _page(self, words: dict[str, str]) -> None:
        start, limit = int(words.get("cursor", "0")), int(words.get("limit", "100"))
        end = min(start + limit, self.fake.script.detections)
        page: dict[str, Any] = {"items": [{"id": f"d1-{nth}-0"} for nth in range(start, end)]}
        if end < self.fake.script.detections:
            page["next"] = str(end)
        self._json(page)

    def _live(self) -> None:
        with self.fake.lock:
            self.fake.resumed.append(self.headers.get("last-event-id"))
            session = self.fake.script.live.pop(0) if self.fake.script.live else []
        if session and "status" in session[0]:
            self._misbehave(session[0])
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Connection", "close")
        self.end_headers()
        for message in session:
            self.wfile.write(f": alive\n\nid: {message['cursor']}\ndata: ".encode()
                             + json.dumps(message, ensure_ascii=False).encode() + b"\n\n")
            self.wfile.flush()
        self.close_connection = True

    def _next(self, kind: str) -> dict[str, Any] | None:
        with self.fake.lock:
            steps = getattr(self.fake.script, kind)
            return steps.pop(0) if steps else None

    def _misbehave(self, step: dict[str, Any]) -> bool:
        if step.get("ok"):
            return False
        if step.get("drop"):
            self.close_connection = True
            return True
        if step.get("garbage"):
            self._answer(200, {"Content-Type": "application/json"}, b"<html>")
            return True
        status = step["status"]
        headers = {name: str(value) for name, value in step.get("headers", {}).items()}
        document = step.get("problem")
        body = b"as told"
        if document is not None:
            headers["Content-Type"] = "application/problem+json"
            body = json.dumps({"status": status, "detail": "as told", **document}).encode()
        self._answer(status, headers, body)
        return True

    def _problem(self, status: int, code: str, fate: str) -> None:
        self._misbehave({"status": status, "problem": {"code": code, "fate": fate}})

    def _json(self, document: Any) -> None:
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True
