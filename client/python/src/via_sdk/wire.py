"""Connections to the nodes: one request, one answer or one typed error. Knows
addresses, TLS and the key; decides nothing about repeats."""

from __future__ import annotations

import http.client
import selectors
import ssl
import threading
from typing import Any, Mapping
from urllib.parse import urlsplit

from .errors import Retry, Unknown, ViaError, of_answer
from .settings import VERSION, Settings


class Wire:
    """Kept connections to the current address, and the way to the next one."""

    def __init__(self, settings: Settings) -> None:
        self._targets = [urlsplit(url.rstrip("/")) for url in settings.urls]
        self._timeout = settings.timeout
        self._tls: ssl.SSLContext | None = None
        if any(target.scheme == "https" for target in self._targets):
            self._tls = ssl.create_default_context(cafile=settings.ca_file)
        self._headers = {"User-Agent": f"via-python/{VERSION}"}
        if settings.key:
            self._headers["Authorization"] = f"Bearer {settings.key}"
        self._lock = threading.Lock()
        self._current = 0
        self._idle: list[tuple[int, http.client.HTTPConnection]] = []

    @property
    def addresses(self) -> int:
        """How many addresses there are."""
        return len(self._targets)

    @property
    def current(self) -> int:
        """Which address is used now."""
        return self._current

    def leave(self, address: int) -> None:
        """Goes on to the next address, unless somebody has already."""
        with self._lock:
            if self._current == address:
                self._current = (address + 1) % len(self._targets)

    def close(self) -> None:
        """Closes what is kept open."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def call(self, method: str, path: str, body: bytes | None = None,
             headers: Mapping[str, str] | None = None, timeout: float | None = None,
             may_reopen: bool = True) -> bytes:
        """Makes one attempt and returns the body of a 2xx answer. What must not be
        applied twice must not be sent again on a new connection."""
        address = self._current
        ask = (method, self._targets[address].path + path, body, headers, timeout)
        kept = self._take(address)
        is_after_lost = False
        connection = kept or self._open(address, timeout)
        try:
            response = self._ask(connection, *ask)
        except _STALE as error:
            connection.close()
            if kept is None or not may_reopen:
                raise _lost(error, address) from error
            is_after_lost = True
            connection = self._open(address, timeout)
            try:
                response = self._ask(connection, *ask)
            except (OSError, http.client.HTTPException) as again:
                connection.close()
                # Whatever became of this one, the first may have arrived.
                raise _lost(error, address) from again
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _lost(error, address) from error
        try:
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _lost(error, address) from error
        if response.will_close:
            connection.close()
        else:
            with self._lock:
                self._idle.append((address, connection))
        if 200 <= response.status < 300:
            return answer
        told = {name.lower(): value for name, value in response.getheaders()}
        failure = of_answer(response.status, told, answer)
        failure.is_after_lost = is_after_lost
        raise _at(failure, address)

    def stream(self, path: str, headers: Mapping[str, str]) -> tuple[Any, http.client.HTTPResponse]:
        """Opens an answer that does not end; returns its connection and it."""
        address = self._current
        connection = self._open(address, 60.0)
        try:
            response = self._ask(connection, "GET", self._targets[address].path + path, None, headers,
                                 60.0)
            if response.status == 200:
                return connection, response
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _lost(error, address) from error
        connection.close()
        told = {name.lower(): value for name, value in response.getheaders()}
        raise _at(of_answer(response.status, told, answer), address)

    def _take(self, address: int) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                at, connection = self._idle.pop()
                if at == address and not _is_ended(connection):
                    return connection
                connection.close()
        return None

    def _open(self, address: int, timeout: float | None) -> http.client.HTTPConnection:
        target = self._targets[address]
        within = self._timeout if timeout is None else timeout
        host = target.hostname or "127.0.0.1"
        if target.scheme == "https":
            return http.client.HTTPSConnection(host, target.port, timeout=within, context=self._tls)
        return http.client.HTTPConnection(host, target.port, timeout=within)

    def _ask(self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None,
             headers: Mapping[str, str] | None, timeout: float | None) -> http.client.HTTPResponse:
        if connection.sock is None:
            try:
                connection.connect()
            except OSError as error:
                raise _Unreached(str(error)) from error
        connection.sock.settimeout(self._timeout if timeout is None else timeout)
        connection.request(method, path, body, {**self._headers, **(headers or {})})
        return connection.getresponse()


def _is_ended(connection: http.client.HTTPConnection) -> bool:
    """Says whether the other side has closed, or said what nobody asked for."""
    if connection.sock is None:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return bool(selector.select(0))


class _Unreached(OSError):
    """Nothing was sent."""


_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError,
          http.client.CannotSendRequest)


def _lost(error: Exception, address: int) -> ViaError:
    kind = Retry if isinstance(error, _Unreached) else Unknown
    words = str(error) or type(error).__name__
    return _at(kind(words, "no_answer"), address)


def _at(error: ViaError, address: int) -> ViaError:
    error.address = address  # type: ignore[attr-defined]
    return error
