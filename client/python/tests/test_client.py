"""What the contract's cases cannot say of one language: threads, columns, asyncio,
the environment, callbacks, files."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import textwrap
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable

import numpy
import pytest

from fake import Fake, Script
from via_sdk import AsyncClient, Client, Rejected, Retry, Unknown, ViaError
from via_sdk.columns import Columns
from via_sdk.spool import read, write

Make = Callable[..., Client]
SRC = Path(__file__).resolve().parent.parent / "src"


def test_many_threads_lose_nothing(fake: Fake, client: Make) -> None:
    one = client(in_flight=4, batch_events=7)
    threads = [threading.Thread(target=lambda nth=nth: [one.event(f"s{nth % 3}", "e", value)
                                                        for value in range(250)])
               for nth in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert one.flush(20)
    assert one.state()["accepted"] == len(fake.applied) == 2_000


def test_a_changed_argument_changes_no_captured_event(fake: Fake, client: Make) -> None:
    one, attributes = client(), {"route": "/a"}
    one.event("web", "e", attributes=attributes)
    attributes["route"] = "/b"
    assert one.flush(20)
    assert fake.applied[0][1]["attributes"] == {"route": "/a"}


def test_times_are_read_in_every_form(fake: Fake, client: Make) -> None:
    one = client()
    at = datetime(2026, 1, 31, 12, 0, 0, 123_456, timezone(timedelta(hours=2)))
    for timestamp in (at, 1_769_853_600.5, 1_769_853_600, "2026-01-31T10:00:00Z"):
        one.event("web", "e", timestamp=timestamp)
    assert one.flush(20)
    assert [event["timestamp"] for _, event in fake.applied] == [
        1_769_853_600_123_456, 1_769_853_600.5, 1_769_853_600, "2026-01-31T10:00:00Z"]


def test_the_environment_names_node_and_key(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIA_URL", f"{fake.urls[0]}, http://127.0.0.1:9")
    monkeypatch.setenv("VIA_API_KEY", "via_key_test_1")
    with Client() as one:
        one.event("web", "e")
        assert one.flush(20)
        assert "via_key_test_1" not in repr(one._settings)
    assert fake.attempts[0].headers["authorization"] == "Bearer via_key_test_1"


def test_a_refusal_is_told_with_its_text(fake: Fake, client: Make) -> None:
    told: list[Any] = []
    one = client(on_refused=lambda refusal, text: told.append((refusal["code"], text)))
    one.event("web", "e")
    one.event("web", "", 7, timestamp=1)
    assert one.flush(20)
    assert told == [("entity_missing", '{"entity":"","timestamp":1,"value":7.0}')]


def test_a_callback_that_fails_ends_nothing(fake: Fake, client: Make) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the caller's own")
    fake.load(Script(events=[{"status": 503}]))
    one = client(on_error=fail, on_refused=fail)
    one.event("web", "")
    one.event("web", "e")
    assert one.flush(20)
    assert one.state()["accepted"] == 1


def test_fates_are_types(fake: Fake, client: Make) -> None:
    one = client(timeout=0.5)
    for fate, kind in (("rejected", Rejected), ("retry", Retry), ("unknown", Unknown)):
        problem = {"code": "c", "fate": fate, "retry_after_ms": 9_000}
        fake.load(Script(score=[{"status": 500, "problem": problem}]))
        with pytest.raises(kind) as failure:
            one.score("web", "e")
        assert isinstance(failure.value, ViaError) and failure.value.fate == fate


def test_bad_settings_are_refused_at_once() -> None:
    for bad in ({"urls": []}, {"urls": ["ftp://x"]}, {"producer": "a b"}, {"overflow": "never"},
                {"in_flight": 0}):
        with pytest.raises(ValueError):
            Client(**bad)


def frames() -> list[Any]:
    import pandas
    import polars
    at = [1_764_538_595_123_456 + nth for nth in range(3)]
    columns = {"entity": ["a", "ж\"", "c"], "value": [1.0, 2.5, -3.0], "timestamp": at}
    times = numpy.array(at).astype("datetime64[us]")
    return [columns, {name: numpy.array(column) for name, column in columns.items()},
            {**columns, "timestamp": times}, pandas.DataFrame({**columns, "timestamp": times}),
            polars.DataFrame(columns),
            polars.DataFrame({**columns, "timestamp": times})]


@pytest.mark.parametrize("nth", range(6))
@pytest.mark.parametrize("has_polars", [True, False])
def test_columns_of_every_kind_are_the_same_events(
        fake: Fake, client: Make, nth: int, has_polars: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = frames()[nth]
    if not has_polars:
        monkeypatch.setitem(sys.modules, "polars", None)
    assert client().events("web", frame) == {"accepted": 3, "duplicates": 0, "refused": 0}
    assert [event for _, event in fake.applied] == [
        {"entity": entity, "value": value, "timestamp": 1_764_538_595_123_456 + nth}
        for nth, (entity, value) in enumerate([("a", 1.0), ("ж\"", 2.5), ("c", -3.0)])]


def test_columns_carry_values_and_attributes(fake: Fake, client: Make) -> None:
    columns = {"entity": [1, 2], "la%g": [0.5, 0.25], "route": ["/a", "/b"]}
    client().events("web", columns, values=["la%g"], attributes=["route"])
    assert [event for _, event in fake.applied] == [
        {"entity": "1", "values": {"la%g": 0.5}, "attributes": {"route": "/a"}},
        {"entity": "2", "values": {"la%g": 0.25}, "attributes": {"route": "/b"}}]


@pytest.mark.parametrize("has_polars", [True, False])
def test_columns_that_cannot_be_meant_are_refused(
        has_polars: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_polars:
        monkeypatch.setitem(sys.modules, "polars", None)
    for columns in ({"value": [1.0]}, {"entity": ["a"], "value": [1.0, 2.0]},
                    {"entity": ["a"], "value": [float("nan")]},
                    {"entity": [1, None], "value": [1.0, 2.0]}):
        with pytest.raises((ValueError, TypeError)):
            list(Columns(columns, (), ()).parts())


@pytest.mark.parametrize("has_polars", [True, False])
def test_columns_without_numbers_are_counted_once_when_an_answer_is_lost(
        fake: Fake, client: Make, has_polars: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_polars:
        monkeypatch.setitem(sys.modules, "polars", None)
    fake.load(Script(events=[{"apply": True, "drop": True}]))
    columns = {"entity": ["a", "a", "b"], "value": [1.0, 2.0, 3.0]}
    written = client(producer=False).events("web", columns)
    assert written["accepted"] + written["duplicates"] == 3
    assert len(fake.applied) == 3
    ids = {event["unique_id"] for _, event in fake.applied}
    assert len(ids) == 3


def test_a_part_of_columns_that_fails_says_what_was_accepted(fake: Fake, client: Make) -> None:
    fake.load(Script(events=[{"ok": True}, {"status": 413}]))
    columns = {"entity": ["e"] * 20_000, "value": numpy.ones(20_000)}
    with pytest.raises(Rejected) as failure:
        client().events("web", columns, in_flight=1)
    assert failure.value.accepted == 16_384


def test_asyncio_has_the_same_calls(fake: Fake) -> None:
    live = [[{"type": "hello", "cursor": "c0"}, {"type": "gap", "cursor": "c1"}]]
    fake.load(Script(detections=3, live=live))

    async def run() -> None:
        async with AsyncClient(fake.urls) as one:
            one.event("web", "e")
            assert await one.flush(20)
            assert (await one.score("web", "e"))["score"] == 0.5
            assert [found["id"] async for found in one.detections(page=2)] == [
                "d1-0-0", "d1-1-0", "d1-2-0"]
            kinds = []
            async for message in one.subscribe():
                kinds.append(message["type"])
                if len(kinds) == 2:
                    break
            assert kinds == ["hello", "gap"]

    asyncio.run(run())


def test_a_spooled_batch_is_read_back_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "00000000000000000001.batch"
    write(path, "web", 2, (3, 4, 5), b'{"entity":"a"}\n{"entity":"b"}')
    segment, body = read(path) or pytest.fail("it was written")
    assert (segment.stream, segment.events, segment.number) == ("web", 2, (3, 4, 5))
    assert body == b'{"entity":"a"}\n{"entity":"b"}'
    whole = path.read_bytes()
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        path.write_bytes(damaged)
        # A letter of the checksum in the other case is the same number.
        assert read(path) is None or damaged[12:20].lower() == whole[12:20].lower() != damaged[12:20]
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert read(path) is None


def test_a_script_that_just_ends_loses_nothing(fake: Fake, tmp_path: Path) -> None:
    script = f"""
        import sys; sys.path.insert(0, {str(SRC)!r})
        from via_sdk import Client
        client = Client({fake.urls!r}, linger=60)
        for nth in range(10): client.event("web", "e", nth)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
    assert len(fake.applied) == 10


def certificate(folder: Path) -> tuple[str, str]:
    """Makes a certificate for this machine, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing, which makes the certificate")
    key, made = str(folder / "key.pem"), str(folder / "cert.pem")
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", key, "-out", made, "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return made, key


def test_tls_is_verified(fake: Fake, tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    fake.encrypt(made, key)
    with Client(fake.urls, ca_file=made) as trusting:
        trusting.event("web", "e")
        assert trusting.flush(20)
    assert len(fake.applied) == 1
    with Client(fake.urls, backoff_min=0.001, producer="stranger") as strange:
        with pytest.raises(Retry, match="CERTIFICATE_VERIFY_FAILED"):
            strange.score("web", "e", timeout=0.2)
    assert len(fake.applied) == 1


def test_a_key_is_in_no_error(fake: Fake, client: Make) -> None:
    fake.load(Script(score=[{"status": 401}]))
    with pytest.raises(Rejected) as failure:
        client(key="via_key_test_2").score("web", "e")
    assert "via_key_test_2" not in f"{failure.value!r}{vars(failure.value)}"
