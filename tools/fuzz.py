"""Feed ketasim damaged and odd input: ``python tools/fuzz.py --minutes 10 --seed 1 [ENTRANCE ...]``.

Every entrance takes a sound input, mutated from a seed. A fault is any exception other than a KetasimError, any input that takes
longer than a limit, and any file left half-written. An input is known by entrance and number, and comes again from them.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from ketasim.errors import KetasimError

ROOT = Path(__file__).parents[1]
_TESTS = ROOT / "tests"
#: Cells, words and values that programs stumble over.
ODD = (
    "", "0", "-1", "1e400", "-1e400", "inf", "nan", "NA", "1e-300", "1e308", "9" * 400, "9223372036854775808", "0x10", "1_000", "1,5",
    "true", "null", "=1+1", "@x", "..", "../../x", "A/B", "a\x00b", "é", "\u202e", "'", '"', "`", "[", "{", "(((((", "%s", "{0}", "\\",
    "x" * 5000, "9**9**9**9", "1/0", "--", "m)", "1.5.2", "24:00", "-0", "³", "١", "week", "x 1e9", "ID", "TIME", ";", "\t", "#", "\ufeff",
)  # fmt: skip
_JSON_ODD = (
    None,
    True,
    -1,
    0,
    1e308,
    float("inf"),
    10**400,
    "",
    "x",
    "\ud800",
    [],
    {},
    [[]],
    [1],
    {"a": 1},
    ["x"],
    "2020-13-45",
    3.5,
)
_TOML_ODD = (
    "1", "-1", "1e400", "inf", "nan", "true", '""', '"x"', "[]", "[1]", "[1, 'a']", "{}", "{a = 1}", "1979-05-27", '"9**9**9**9"', "9" * 400,
    '"../x"', "[[[[]]]]", '"\\u0000"', "'''a\nb'''",
)  # fmt: skip
_SQL_ODD = ("select", "from", "sources", "trials", "*", "(", ")", ",", "union", "describe", "null", "1", "'a'", "[1,2]", "{'a': 1}", "as", "x", "count(*)", "range(3)", "group by all", ";", "--", "limit 0", "explain", "read_csv('/etc/passwd')", "pragma", "::blob", "::timestamptz", "interval 1 day", "1e400", "nan::double")  # fmt: skip


class TooLong(BaseException):
    """An input took longer than the limit; no `Exception`, so that nobody takes it for one."""


@dataclass(frozen=True)
class Entrance:
    """A way into ketasim: sound inputs, how they are damaged, and what reads them."""

    name: str
    seeds: tuple[bytes, ...] | Callable[[], tuple[bytes, ...]]
    mutate: Callable[[random.Random, bytes], bytes]
    read: Callable[[Path, bytes], object]


@dataclass(frozen=True)
class Fault:
    """What went wrong: the input comes again from entrance, seed and number."""

    entrance: str
    number: int
    what: str
    data: bytes
    trace: str = ""


# -- damage --------------------------------------------------------------------------------------------------------------
def of_bytes(rng: random.Random, data: bytes) -> bytes:
    """Flip, drop, repeat or insert bytes; cut the end."""
    found = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(found) + 1), rng.randint(1, 1 + len(found) // 4)
        kind = rng.randrange(5)
        if kind == 0 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at : at + size]
        elif kind == 2:
            found[at:at] = found[at : at + size]
        elif kind == 3:
            found[at:at] = rng.choice(ODD).encode("utf-8", "surrogatepass")
        elif rng.random() < 0.3:
            del found[at:]
    return bytes(found)


def of_cells(rng: random.Random, data: bytes) -> bytes:
    """Odd cells, rows and columns twice or gone, ragged rows."""
    if rng.random() < 0.15:
        return of_bytes(rng, data)
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(rng.randint(1, 3)):
        kind, i = rng.randrange(7), rng.randrange(len(rows))
        j = rng.randrange(len(rows[i])) if rows[i] else 0
        if kind < 3 and rows[i]:
            rows[i][j] = rng.choice(ODD)
        elif kind == 3:
            rows.insert(i, list(rows[i]))
        elif kind == 4 and len(rows) > 1:
            del rows[i]
        elif kind == 5:
            rows = [[*row[:j], *row[j + 1 :]] for row in rows]
        else:
            rows = [[*row, rng.choice((*row, *ODD[:8]) or ODD)] for row in rows]
    return rng.choice(("\n", "\n", "\r\n")).join(",".join(row) for row in rows).encode("utf-8", "surrogatepass")


def of_json(rng: random.Random, data: bytes) -> bytes:
    """Another value somewhere in the tree, or keys gone."""
    if rng.random() < 0.1:
        return of_bytes(rng, data)
    tree = json.loads(data)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break
        holder, key = rng.choice(places)
        if rng.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        elif rng.random() < 0.2:
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}
        else:
            holder[key] = deepcopy(rng.choice(_JSON_ODD))
    return json.dumps(tree).encode()


def _places(tree: object) -> Iterator[tuple[object, object]]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield tree, key
        yield from _places(value)


def of_toml(rng: random.Random, data: bytes) -> bytes:
    """Other values after '=', lines twice, gone or with another key."""
    if rng.random() < 0.15:
        return of_bytes(rng, data)
    lines = data.decode().splitlines()
    for _ in range(rng.randint(1, 3)):
        at, kind = rng.randrange(len(lines)), rng.randrange(8)
        key, equal, _value = lines[at].partition("=")
        if equal and kind < 5:
            lines[at] = f"{key}= {rng.choice(_TOML_ODD)}"
        elif kind == 5:
            del lines[at]
        elif kind == 6:
            lines.insert(at, lines[at])
        elif equal:
            lines[at] = f"x{rng.randrange(9)} ={_value}"
        lines = lines or [""]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def of_words(rng: random.Random, data: bytes, odd: tuple[str, ...] = ODD) -> bytes:
    """Words gone, twice, swapped or odd; numbers of another size."""
    words = re.split(r"(\s+|,)", data.decode())
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(words)), rng.randrange(5)
        if kind == 0:
            words[at] = rng.choice(odd)
        elif kind == 1:
            words.insert(at, rng.choice((*words, *odd)) + " ")
        elif kind == 2 and len(words) > 1:
            del words[at]
        elif kind == 3:
            other = rng.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        else:
            words[at] = re.sub(r"\d+", lambda _: rng.choice(("0", "-3", "1e9", "0.001", "99999999999", "1e400", "7")), words[at])
    return "".join(words).encode("utf-8", "surrogatepass")


def of_sql(rng: random.Random, data: bytes) -> bytes:
    """Words of SQL."""
    return of_words(rng, data, _SQL_ODD)


# -- entrances -----------------------------------------------------------------------------------------------------------
def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass") if _is_text(data) else data.decode("utf-8", "surrogateescape")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _file(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _regimen(_: Path, data: bytes) -> object:
    from ketasim.dose import parse

    return parse(_text(data)).describe()


def _arms(_: Path, data: bytes) -> object:
    from ketasim.dose import parse_arms

    return {name: str(regimen) for name, regimen in parse_arms(_text(data)).items()}


def _dose_file(ending: str) -> Callable[[Path, bytes], object]:
    def read(folder: Path, data: bytes) -> object:
        from ketasim.dose import read_arms

        return {name: arm.describe() for name, arm in read_arms(_file(folder, f"dose{ending}", data)).items()}

    return read


def _events(folder: Path, data: bytes) -> object:
    from ketasim.dose import read_events
    from ketasim.simulation import as_model

    return read_events(_file(folder, "events.csv", data), as_model("generic/two_cmt"))


def _simulated_events(folder: Path, data: bytes) -> object:
    return _command(
        folder,
        "simulate",
        "--pk",
        "generic/two_cmt",
        "--data",
        str(_file(folder, "events.csv", data)),
        "-o",
        str(folder / "out.csv"),
    )


def _simulated(folder: Path, data: bytes) -> object:
    return _command(folder, "simulate", _text(data), "--pk", "generic/two_cmt", "--until", "24", "-o", str(folder / "out.csv"))


def _options(folder: Path, data: bytes) -> object:
    return _command(folder, "population", *_text(data).split(" "))


def _population(folder: Path, data: bytes) -> object:
    from ketasim.population import population_from_file

    found = population_from_file(_file(folder, "own.toml", data))
    return found.describe(), found.sample(5, 1).describe(), found.typical()


def _patients(folder: Path, data: bytes) -> object:
    from ketasim.population import cohort_from_table

    return cohort_from_table(_file(folder, "people.csv", data)).describe()


def _where(_: Path, data: bytes) -> object:
    from ketasim.population import chosen

    return chosen("adults", 20, 1, _text(data)).describe()


def _pack(folder: Path, data: bytes) -> object:
    from ketasim import library

    (folder / "pack" / "pk").mkdir(parents=True)
    (folder / "pack" / "pk" / "loops.py").write_bytes((_TESTS / "fixtures/stranger_pack/pk/loops.py").read_bytes())
    (folder / "pack" / "sources.bib").write_bytes((_TESTS / "fixtures/stranger_pack/sources.bib").read_bytes())
    _file(folder / "pack" / "pk", "doe2031.toml", data)
    library.add_pack(folder / "pack")
    try:
        from ketasim.simulation import as_model

        return as_model("pk/doe2031").describe()
    finally:
        library.remove_pack(folder / "pack")


def _parameters(ending: str) -> Callable[[Path, bytes], object]:
    def read(folder: Path, data: bytes) -> object:
        from ketasim.cli._values import parameter_values
        from ketasim.simulation import as_model

        return as_model("generic/two_cmt").with_values(
            parameter_values(None, [_file(folder, f"own{ending}", data)], "generic/two_cmt")
        )

    return read


def _scenario(folder: Path, data: bytes) -> object:
    from ketasim.simulation import Scenario

    found = Scenario.from_file(_file(folder, "own.toml", data))
    return found.fingerprint, found.to_file(folder / "again.toml")


def _nca(folder: Path, data: bytes) -> object:
    return _command(folder, "nca", str(_file(folder, "samples.csv", data)), "--json")


def _pairwise(folder: Path, data: bytes) -> object:
    from ketasim.synthesis import pairwise

    return str(pairwise(_file(folder, "trials.csv", data), "or"))


def _network(folder: Path, data: bytes) -> object:
    from ketasim.synthesis import network_meta_analysis

    return network_meta_analysis(_file(folder, "network.csv", data), "md").to_dataframe()


def _time_course(folder: Path, data: bytes) -> object:
    from ketasim.synthesis import read_time_course

    return read_time_course(_file(folder, "course.csv", data))


def _imported(ending: str) -> Callable[[Path, bytes], object]:
    def read(folder: Path, data: bytes) -> object:
        from ketasim import evidence

        return evidence.import_record(_file(folder, f"record{ending}", data), folder / "own")

    return read


def _tables(folder: Path, data: bytes) -> object:
    from ketasim import evidence

    (folder / "own").mkdir()
    _file(folder / "own", "sources.csv", data)
    return evidence.check(folder / "own")


def _sql(folder: Path, data: bytes) -> object:
    return _command(folder, "evidence", "sql", _text(data), "--csv", str(folder / "rows.csv"))


def _unit(_: Path, data: bytes) -> object:
    from ketasim.units import parse_unit

    return parse_unit(_text(data))


def _posterior(folder: Path, data: bytes) -> object:
    from ketasim.library._posterior import Posterior

    return list(Posterior(_file(folder, "own.posterior.npz", data)))


def _checkpoint(folder: Path, data: bytes) -> object:
    import ketasim

    return ketasim.simulate(**_STREAMED, checkpoint=_file(folder, "own.resume", data))


@lru_cache(maxsize=1)
def _stopped() -> tuple[bytes, ...]:
    """A checkpoint of a run that was stopped half-way."""
    import ketasim

    def stop(done: int, _all: int) -> None:
        if done >= 12:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.resume"
        try:
            ketasim.simulate(**_STREAMED, checkpoint=path, progress=stop)
        except KeyboardInterrupt:
            return (path.read_bytes(),)
    raise RuntimeError("the run was not stopped")


def _command(folder: Path, *words: str) -> str:
    """A command of ketasim in this process; its fault is ours."""
    from click.testing import CliRunner
    from typer.main import get_command

    from ketasim.cli._app import app

    done = CliRunner().invoke(get_command(app), list(words))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    if "This is a fault of ketasim" in done.output:
        raise RuntimeError(done.output.strip()[-400:])
    if done.exit_code and (left := sorted(p.name for p in folder.iterdir() if p.name.startswith(("out.", "rows.")))):
        raise RuntimeError(f"exit code {done.exit_code}, and {', '.join(left)} written")
    return done.output


def _npz(**arrays: object) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


_EVENTS = b"ID,TIME,EVID,AMT,RATE,CMT,ADDL,II,SS\n1,0,1,100,0,2,3,12,0\n1,1,0,0,0,2,0,0,0\n1,24,4,50,10,2,0,0,0\n2,0,1,20,0,1,0,24,1\n2,5,0,0,0,2,0,0,0\n"
_REGIMENS = (
    b"esketamine nasal 56 mg, 2/week x 4 week, then 84 mg 1/week x 4", b"0.5 mg/kg racemic ketamine iv over 40 min every 3 d x 6",
    b"s-ketamine iv 10 mg bolus then 0.2 mg/kg/h for 2 h + midazolam 0.045 mg/kg iv at 24 h", b"ketamine oral 50 mg at 0, 8, 16 h",
)  # fmt: skip
_DOSES = b'[[doses]]\ndrug = "esketamine"\nroute = "nasal"\namount = "56 mg"\nschedule = "2/week x 4 week"\nstart = "1 h"\n'
_PARAMETERS = b'{"parameters": {"CL": 5.0, "V": {"value": 30}, "Q": 4}}'
_SCENARIO = b'format = "ketasim/1"\nmodel = "generic/two_cmt"\nn = 3\nseed = 2\ntimes = [0.0, 1.0]\n[arm.low]\ndosing = "10 mg into CENT"\n[arm.high]\ndosing = "20 mg into CENT"\n'
_NETWORK = b"studlab,treat1,treat2,TE,seTE\n1,a,b,-1.0,0.3\n2,b,c,0.4,0.2\n3,a,c,-0.5,0.25\n4,a,b,-0.8,0.3\n4,a,c,-0.2,0.3\n4,b,c,0.6,0.3\n"
_STREAMED: dict[str, Any] = {
    "model": "generic/two_cmt", "dosing": "100 mg into CENT", "population": "adults", "n": 20, "times": [0, 1], "stream": True, "chunk": 1,
}  # fmt: skip


def entrances() -> tuple[Entrance, ...]:
    """All ways in, each with what it is fed."""
    data, fixtures = _TESTS / "unit/evidence/data", _TESTS / "fixtures/stranger_pack"
    record = (data / "NCT00000000.json").read_bytes()
    library = ROOT / "src/ketasim/library"
    adults = tuple(p.read_bytes() for p in sorted((library / "population").glob("adults*.toml"))[:2])
    sources = b"".join((ROOT / "src/ketasim/evidence/depression/sources.csv").read_bytes().splitlines(keepends=True)[:4])
    return (
        Entrance("regimen", _REGIMENS, of_words, _regimen),
        Entrance("arms", (b"a: esketamine nasal 56 mg; b: placebo", b"low: 10 mg iv; high: 20 mg iv"), of_words, _arms),
        Entrance("schedule", _REGIMENS[:2], of_bytes, _regimen),
        Entrance("dose toml", (_DOSES, b'regimen = "esketamine nasal 56 mg"\n'), of_toml, _dose_file(".toml")),
        Entrance("dose yaml", (b"arms:\n  low: esketamine nasal 56 mg\n  high: {regimen: 'esketamine nasal 84 mg, 2/week x 2 week'}\n",), of_bytes, _dose_file(".yaml")),
        Entrance("event table", (_EVENTS,), of_cells, _events),
        Entrance("events, simulated", (_EVENTS,), of_cells, _simulated_events),
        Entrance("regimen, simulated", (b"100 mg into CENT, every 12 h x 3", b"50 mg into DEPOT at 0, 6 h"), of_words, _simulated),
        Entrance("options", (b"adults -n 5 --seed 1 --json", b"adults -n 3 --where AGE>=45,SEX=female --set WT=70"), of_words, _options),
        Entrance("population toml", adults, of_toml, _population),
        Entrance("patients", (b"ID,AGE,SEX,WT [kg],HT,CYP2B6,own\n1,40,female,70,170,*1/*6,3\n2,65,male,80,180,*1/*1,4\n",), of_cells, _patients),
        Entrance("where", (b"AGE>=45, SEX=female", b"WT 55..65, CYP2B6=*6/*6"), of_words, _where),
        Entrance("pack", ((fixtures / "pk/doe2031.toml").read_bytes(),), of_toml, _pack),
        Entrance("parameters json", (_PARAMETERS,), of_json, _parameters(".json")),
        Entrance("parameters yaml", (b"CL: 5\nV: {value: 30}\n",), of_bytes, _parameters(".yaml")),
        Entrance("scenario", (_SCENARIO,), of_toml, _scenario),
        Entrance("nca", (b"ID,TIME,DV,DOSE\n1,0,0,100\n1,1,5,100\n1,2,4,100\n1,4,2,100\n1,8,0.5,100\n2,0,0,50\n2,1,3,50\n2,3,1,50\n2,9,0.1,50\n",), of_cells, _nca),
        Entrance("pairwise", (b"study,events1,n1,events2,n2,year\na,10,20,4,21,2001\nb,8,30,3,31,2004\nc,0,15,1,14,2010\n",), of_cells, _pairwise),
        Entrance("network", (_NETWORK,), of_cells, _network),
        Entrance("time course", (b"study,treatment,time_h,n,change,sd,dose,dose_unit\na,ketamine,24,20,-12,8,0.5,mg/kg\na,placebo,24,20,-5,8,,\nb,ketamine,72,30,-10,9,1,mg/kg\n",), of_cells, _time_course),
        Entrance("registry", (record,), of_json, _imported(".json")),
        Entrance("bibliography ris", (b"TY  - JOUR\nAU  - Doe, J\nPY  - 2020\nTI  - A title\nDO  - 10.1/x\nER  - \n",), of_bytes, _imported(".ris")),
        Entrance("bibliography bib", (b"@article{doe2020,\n author = {Doe, J and Roe, R},\n title = {A {T}itle},\n year = 2020,\n doi = {10.1/x}\n}\n",), of_bytes, _imported(".bib")),
        Entrance("evidence tables", (sources,), of_cells, _tables),
        Entrance("sql", (b"select drug, count(*) as n from trials group by drug order by n limit 3", b"with a as (select source from sources) select * from a limit 2"), of_sql, _sql),
        Entrance("units", (b"mg/kg/h", b"ng*h/mL", b"mL/min", b"umol/L"), of_bytes, _unit),
        Entrance("posterior", (_npz(names=np.array(["CL", "V"]), draws=np.ones((4, 2))),), of_bytes, _posterior),
        Entrance("checkpoint", _stopped, of_bytes, _checkpoint),
    )  # fmt: skip


# -- the attack ----------------------------------------------------------------------------------------------------------
@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `TooLong` after so many seconds of CPU in this process."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def attack(entrance: Entrance, seed: int, number: int, limit: float = 10.0) -> Fault | None:
    """One input; the fault it finds. limit : CPU seconds."""
    rng = random.Random(f"{seed}/{entrance.name}/{number}")
    data = rng.choice(entrance.seeds() if callable(entrance.seeds) else entrance.seeds)
    if number:  # the first is sound
        data = entrance.mutate(rng, data)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with within(limit):
                entrance.read(Path(folder), data)
        except KetasimError as error:
            if not number:
                return Fault(entrance.name, number, f"a sound input is refused: {error}", data)
            if re.search(r"allow_pickle|Traceback|object at 0x", str(error)):
                return Fault(entrance.name, number, f"a message in others' words: {error}", data)
        except TooLong:
            return Fault(entrance.name, number, f"longer than {limit:g} s", data, traceback.format_exc())
        except Exception as error:
            return Fault(entrance.name, number, f"{type(error).__name__}: {error}"[:300], data, traceback.format_exc())
        left = [p.name for p in Path(folder).rglob("*") if p.name.endswith(".part") or ".part." in p.name]
    return Fault(entrance.name, number, f"left behind: {', '.join(left)}", data) if left else None


def _place(fault: Fault) -> tuple[str, str]:
    """Entrance, and the last line of ketasim on the way to the fault."""
    ours = re.findall(r'File "[^"]*/(ketasim/[^"]+)", line (\d+)', fault.trace)
    return fault.entrance, ":".join(ours[-1]) if ours else fault.what[:60]


def main() -> None:
    """Attack for some minutes and tell every kind of fault once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("entrances", nargs="*", metavar="ENTRANCE", help="default all")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=10.0, help="CPU seconds for one input")
    parser.add_argument("--memory", type=float, default=8.0, help="GB for this process; what asks for more is a fault")
    parser.add_argument("--number", type=int, help="only this input of one entrance, with its traceback")
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (int(asked.memory * 1e9), resource.RLIM_INFINITY))
    chosen = [e for e in entrances() if not asked.entrances or e.name in asked.entrances]
    if asked.number is not None:
        fault = attack(chosen[0], asked.seed, asked.number, asked.limit)
        print(f"{fault.what}\n{fault.data!r}\n{fault.trace}" if fault else "no fault")
        return
    counts, kinds, end = Counter[str](), set[tuple[str, str]](), time.monotonic() + 60.0 * asked.minutes
    number = 0
    while time.monotonic() < end:
        for entrance in chosen:
            fault = attack(entrance, asked.seed, number, asked.limit)
            counts[entrance.name] += 1
            if fault and (place := _place(fault)) not in kinds:
                kinds.add(place)
                print(f"{fault.entrance} {fault.number}: {fault.what}\n  {fault.data[:200]!r}\n  {place[1]}", flush=True)
        number += 1
    print(f"{sum(counts.values()):,} inputs, {len(kinds)} kinds of fault: {', '.join(f'{k} {n}' for k, n in counts.items())}")
    sys.exit(1 if kinds else 0)


if __name__ == "__main__":
    main()
