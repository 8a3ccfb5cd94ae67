"""Plants bugs in the Python SDK, one at a time, and shows that the contract's cases
find each: a check that cannot fail says nothing.

    python3 mutants.py --fake via-fake
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: What is broken, where, what stands there, what is put there, the case that must fail.
MUTANTS = [
    ("a repeat gets another number", "sender.py",
     "                    self._buffer.counters.repeats += 1",
     "                    self._buffer.counters.repeats += 1\n"
     "                headers['X-Via-Sequence'] = str(int(headers['X-Via-Sequence']) + 1000)",
     "every_5xx_is_repeated"),
    ("a given-up batch is not counted", "sender.py",
     "counters.lost[reason] = counters.lost.get(reason, 0) + events", "pass", "a_400_is_given_up"),
    ("Retry-After is not honoured", "patience.py", "max(random.uniform(0.0, most), asked)",
     "random.uniform(0.0, most)", "retry_after_is_waited_for"),
    ("the wait doubles without bound", "patience.py", "random.uniform(0.0, most)", "most * 9",
     "waits_stay_below_their_doubling_bound"),
    ("a rejected batch is repeated", "sender.py", "isinstance(error, Rejected) or error.code",
     "error.code", "a_413_is_given_up"),
    ("the newest is dropped for the oldest", "buffer.py", "dropped = batch.lines.popleft()",
     "dropped = batch.lines.pop()", "the_oldest_is_dropped"),
    ("a fork keeps its parent's queue", "client.py", "        client._begin()", "        pass",
     "a_forked_child_sends_its_own_events"),
    ("the name is not held", "slot.py", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_UN",
     "two_processes_never_share_a_name"),
    ("a spooled batch is numbered anew", "sender.py",
     "fresh = [segment for segment in self._left if segment.number is None]",
     "fresh = self._left\n            for one in fresh: one.number = None", "a_spool_survives_a_kill"),
    ("a checksum is not checked", "spool.py", "int(crc, 16) != zlib.crc32(data[21:])", "False",
     "a_damaged_spool_file_is_set_aside"),
    ("the feed forgets its place", "feed.py", "self.cursor = message[\"cursor\"]", "pass",
     "the_feed_resumes_where_it_was"),
    ("a gap is swallowed", "feed.py", "                    yield message",
     "                    if message[\"type\"] != \"gap\":\n                        yield message",
     "the_feed_begins_at_a_cursor"),
    ("a score is sent again", "client.py", "may_apply_twice=False", "may_apply_twice=True",
     "a_score_is_not_sent_again"),
    ("the end of the process flushes nothing", "client.py", "atexit.register(_at_exit)", "",
     "an_end_of_the_process_flushes"),
    ("the time is that of sending", "sender.py", "body = b\"\\n\".join(batch.lines)\n            number",
     "import re, time; body = re.sub(rb'\"timestamp\":\\d+', b'\"timestamp\":%d' % "
     "(time.time_ns() // 1000 + 10**6), b\"\\n\".join(batch.lines))\n            number",
     "the_time_is_that_of_capture"),
]


def is_found(fake: str, file: str, stands: str, instead: str, case: str) -> bool:
    """Says whether the case fails with the bug in place."""
    folder = Path(tempfile.mkdtemp(prefix="via-sdk-mutant-"))
    try:
        shutil.copytree(HERE.parent / "python", folder / "python")
        path = folder / "python/src/via_sdk" / file
        text = path.read_text(encoding="utf-8")
        if text.count(stands) != 1:
            raise SystemExit(f"{file}: {stands!r} stands there {text.count(stands)} times")
        path.write_text(text.replace(stands, instead), encoding="utf-8")
        adapter = f"{sys.executable} {folder / 'python/conformance/adapter.py'}"
        run = [sys.executable, str(HERE / "run.py"), "--adapter", adapter, "--fake", fake,
               "--case", case]
        told = subprocess.run(run, capture_output=True, text=True, timeout=200)
        return f"FAIL {case}" in told.stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fake", required=True, help="a via-fake binary")
    given = parser.parse_args()
    missed = 0
    for words, *mutant in MUTANTS:
        found = is_found(given.fake, *mutant)
        missed += not found
        print(f"{'found ' if found else 'MISSED'} {words}", flush=True)
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} planted bugs are found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
