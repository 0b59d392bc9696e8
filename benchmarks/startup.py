"""How long the command line takes to answer, in new processes: with what earlier calls kept, and with nothing kept.

    python benchmarks/startup.py [--repeats 5] [--no-cold]

Every time is also given as a multiple of ``python -c pass`` in the same run, which takes some of the machine out of it.
"Cold" means an empty KETASIM_CACHE: units are looked up and models compiled again. Modules are compiled to bytecode before.
"""

from __future__ import annotations

import argparse
import compileall
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

START = "import sys; from ketasim.cli import main; sys.argv[0] = 'ketasim'; main()"
REGIMEN = "esketamine nasal 56 mg, 2/week x 4 week"
#: What is called, and how many seconds it may take warm and cold.
COMMANDS: dict[str, tuple[list[str], float, float]] = {
    "--help": (["--help"], 0.5, 0.5),
    "version": (["version"], 0.5, 0.5),
    "list pk": (["list", "pk"], 0.5, 1.5),
    "describe": (["describe", "ketasim_reference"], 2.0, 3.0),
    "events": (["events", REGIMEN], 2.0, 3.0),
    "simulate -n 20": (["simulate", REGIMEN, "-n", "20", "-o", "out.csv"], 3.0, 20.0),
}


def seconds(words: list[str], folder: Path, cache: Path | None) -> float:
    """Wall time of one process, which must succeed."""
    environment = os.environ | ({"KETASIM_CACHE": str(cache)} if cache else {})
    begin = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def median(words: list[str], folder: Path, cache: Path | None, repeats: int) -> float:
    """Median wall time."""
    return sorted(seconds(words, folder, cache) for _ in range(repeats))[repeats // 2]


def main() -> None:
    """Print a table; exit code 1 when a command took longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-cold", action="store_true")
    given = parser.parse_args()
    compileall.compile_dir(Path(__file__).parents[1] / "src", quiet=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = folder / "kept"
        unit = median(["-c", "pass"], folder, None, given.repeats)
        print(f"python -c pass: {unit:.3f} s; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
        print(f"{'command':<16}{'cold, s':>9}{'ratio':>8}{'warm, s':>9}{'ratio':>8}{'may take, s (cold, warm)':>27}")
        late = False
        for label, (words, warm_limit, cold_limit) in COMMANDS.items():
            call = ["-c", START, *words]
            seconds(call, folder, kept)  # fills what is kept
            cold = 0.0 if given.no_cold else seconds(call, folder, folder / f"cold {label}")
            warm = median(call, folder, kept, given.repeats)
            late = late or warm > warm_limit or cold > cold_limit
            shown = f"{'':>17}" if given.no_cold else f"{cold:>9.2f}{cold / unit:>8.0f}"
            print(f"{label:<16}{shown}{warm:>9.2f}{warm / unit:>8.0f}{f'{cold_limit:g}, {warm_limit:g}':>27}")
    sys.exit(1 if late else 0)


if __name__ == "__main__":
    main()
