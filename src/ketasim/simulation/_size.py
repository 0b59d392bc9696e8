"""How large a result will be, before it is made: streamed, kept, or refused with the estimate and what to do."""

from __future__ import annotations

import os
from pathlib import Path

from ketasim.errors import InvalidOption

#: A result above this size is streamed unless asked otherwise: quantiles and tables instead of people.
STREAM_BYTES = 2 * 2**30
#: What stands in memory of every number of a result while it is made: solved, joined, labelled.
_COPIES = 3
#: Bytes of the counts of one quantity at one time of a streamed cohort.
_SKETCH_BYTES = 2**14
#: Of the memory that is free, at most.
_SHARE = 0.8


def kept_bytes(times: int, outputs: int, people: int) -> int:
    """Memory of a result that keeps everybody, while it is made."""
    return 8 * _COPIES * times * outputs * people


def streamed_bytes(times: int, outputs: int) -> int:
    """Memory of a streamed result, whoever many people."""
    return _SKETCH_BYTES * times * outputs


def available_bytes() -> int:
    """Memory that is free: of the machine, or what is left of this process's control group."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**63
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = meminfo.read_text(encoding="ascii", errors="ignore").splitlines()
        free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), free)
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, int(limit) - int(used))
    except (OSError, ValueError):
        return free


def check_memory(needed: int, what: str, remedy: str) -> None:
    """Refuse what would not fit.

    Raises
    ------
    InvalidOption: with the estimate, the limit and what to do.
    """
    limit = _SHARE * available_bytes()
    if needed > limit:
        raise InvalidOption(f"{what} would take about {text(needed)} of memory, and {text(limit)} may be used here. {remedy}")


def text(size: float) -> str:
    """A size as people read it."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.0f} MiB"
