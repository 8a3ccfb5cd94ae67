"""Names that one process holds at a time, by locked files: a crash frees them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows locks bytes instead.
    fcntl = None  # type: ignore[assignment]
    import msvcrt

#: Names tried before giving up.
_MOST = 4_096


class Slot:
    """One name, held until it is released or the process ends."""

    def __init__(self, name: str, folder: Path, descriptor: int) -> None:
        self.name = name
        self.folder = folder
        self._descriptor = descriptor

    def release(self) -> None:
        """Lets another have the name."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def root(spool_dir: str | None) -> Path:
    """Returns where names are held."""
    if spool_dir is not None:
        return Path(spool_dir)
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"via-sdk-{user}"


def hold(name: str, under: Path) -> Slot:
    """Takes the first of NAME, NAME.1, NAME.2 … that is free."""
    for nth in range(_MOST):
        full = name if nth == 0 else f"{name}.{nth}"
        slot = try_hold(full, under)
        if slot is not None:
            return slot
    raise OSError(f"{_MOST} processes hold names like {name}")


def try_hold(name: str, under: Path) -> Slot | None:
    """Takes a name if it is free."""
    folder = under / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError:
        os.close(descriptor)
        return None
    return Slot(name, folder, descriptor)
