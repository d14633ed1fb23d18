"""One answer into one Parquet file: ours and every peer's, on the same bytes in turns.

From memory to memory, one thread each, in processes that stay, so that all are warm. Ours checks every row, converts v3's
timestamps and dollars into the file's layout and digests the values; the peers leave the vendor's columns as they are.
Of a peer the best setting counts whose file is not larger than 1.1 times the smallest of all peers' files.
"""

import csv
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rows import BENCH, PEERS, ROOT, Outcome, Row, held_mib, in_turns, run

ROUNDS = 5
CSV_PEERS = [(reader, setting) for reader in ("pyarrow.csv", "polars csv", "duckdb csv") for setting in ("zstd-1", "zstd-3", "snappy")]
# Of end of day each row has two times of its own.
EOD_PEERS = [*CSV_PEERS, ("pyarrow.csv, times split", "zstd-1"), ("pyarrow.csv, times split", "zstd-3")]
JSON_PEERS = [("polars json", "zstd-1"), ("polars json", "zstd-3"), ("duckdb json", "zstd-1"), ("orjson+pyarrow", "zstd-1"),
              ("simdjson+numpy+pyarrow", "zstd-1"), ("simdjson+numpy+pyarrow", "zstd-3")]
ONE_THREAD = {"POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1", "ARROW_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
GOOG = ROOT.parent / "shared/data/replay/bulk_hist/option/quote/GOOG/20151224_60000.json.gz"


@dataclass(frozen=True)
class Answer:
    name: str
    words: tuple[str, ...]  # of betedge_bench

    def render(self, file: Path) -> None:
        run([BENCH, "render", *self.words, f"file={file}"])


def quotes(name: str, contracts: int, interval: int, form: str = "v3_csv") -> Answer:
    return Answer(name, (f"form={form}", "schema=quote", f"contracts={contracts}", f"interval={interval}"))


MEDIUM, LARGE, XL = (2_000, 900_000), (10_000, 900_000), (2_000, 60_000)


class RealGoog(Answer):
    """GOOG's half day before Christmas 2015, recorded; turned into v3's CSV here."""

    def render(self, file: Path) -> None:
        document = json.loads(gzip.decompress(GOOG.read_bytes()))
        with file.open("w", newline="") as out:
            lines = csv.writer(out, lineterminator="\r\n")
            fields = document["header"]["format"]
            lines.writerow(["symbol", "expiration", "strike", "right", "timestamp", *fields[1:-1]])
            for series in document["response"]:
                contract = series["contract"]
                expiration = str(contract["expiration"])
                first = [contract["root"], f"{expiration[:4]}-{expiration[4:6]}-{expiration[6:]}",
                         f"{contract['strike'] / 1000:.3f}", {"C": "CALL", "P": "PUT"}[contract["right"]]]
                for tick in series["ticks"]:
                    seconds = tick[0] // 1000
                    time_of_day = f"2015-12-24T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.000"
                    values = [f"{value:.2f}" if name in ("bid", "ask") else value for name, value in zip(fields[1:-1], tick[1:-1])]
                    lines.writerow([*first, time_of_day, *values])


class Side:
    """A process that encodes once for each line it is sent."""

    def __init__(self, name: str, command: list, out: Path) -> None:
        self.name, self.out = name, out
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=os.environ | ONE_THREAD)
        self.rows = self.bytes = 0
        self.peak_mib = 0.0
        self.once()  # what a first run alone has to do

    def once(self) -> float:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}")
        said = json.loads(line)
        self.rows, self.bytes = said["rows"], said["bytes"]
        return said["seconds"]

    def end(self) -> None:
        # Not ru_maxrss: a process is born with what its parent holds, and this one holds more than some sides need.
        self.peak_mib = held_mib(self.process.pid, "VmHWM")
        self.process.stdin.close()
        self.process.stdout.close()
        if self.process.wait() != 0:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}")


def sides_of(answer: Answer, peers: list[tuple[str, str]], folder: Path) -> tuple[Path, Side, list[Side]]:
    file = folder / answer.name.replace(" ", "-")
    answer.render(file)
    ours = Side("betedge", [BENCH, "encode", *answer.words, f"file={file}", f"out={folder / 'ours.parquet'}"], folder / "ours.parquet")
    others = [Side(f"{reader} {setting}", [sys.executable, PEERS / "answer.py", reader, setting, file, folder / f"{i}.parquet"],
                   folder / f"{i}.parquet") for i, (reader, setting) in enumerate(peers)]
    for other in others:
        if other.rows != ours.rows:
            raise RuntimeError(f"{other.name} has {other.rows} rows of {answer.name}, betedge {ours.rows}")
    return file, ours, others


def encode(answer: Answer, peers: list[tuple[str, str]], folder: Path, goal: float, floor: float) -> list[Outcome]:
    file, ours, others = sides_of(answer, peers, folder)
    # Two answers to a turn, the quicker counts: while others have theirs, a large process loses the processor's caches, and
    # on some systems its idle memory.
    seconds = in_turns(ROUNDS, {side.name: lambda side=side: min(side.once(), side.once()) for side in (ours, *others)})
    for side in (ours, *others):
        side.end()
    smallest = min(other.bytes for other in others)
    best = min((other for other in others if other.bytes <= 1.1 * smallest), key=lambda other: seconds[other.name])
    megabytes = file.stat().st_size / 1e6
    rate = {side.name: megabytes / seconds[side.name] for side in (ours, *others)}
    sides = {side.name: {"MB/s": round(rate[side.name], 1), "bytes": side.bytes, "peak MiB": round(side.peak_mib)} for side in (ours, *others)}
    return [Outcome(answer.name, f"{rate[ours.name]:.0f} MB/s", f"{best.name} {rate[best.name]:.0f} MB/s", seconds[best.name] / seconds[ours.name],
                    floor, goal, sides=sides | {"input MB": round(megabytes, 1), "rows": ours.rows})]


def v3_csv(folder: Path) -> list[Outcome]:
    found = []
    for name, payload in (("MEDIUM", MEDIUM), ("LARGE", LARGE), ("XL", XL)):
        found += encode(quotes(f"v3 CSV quotes, {name}", *payload), CSV_PEERS, folder, 3.5, 2.5)
    if GOOG.exists():
        words = ("form=v3_csv", "schema=quote", "interval=60000", "root=GOOG", "first=20151224", "last=20151224")
        found += encode(RealGoog("v3 CSV quotes, real GOOG", words), CSV_PEERS, folder, 3.5, 2.5)
    else:
        print("skipped: real GOOG, whose recording is not here")
    return found


def v2_json(folder: Path) -> list[Outcome]:
    found = []
    for name, payload in (("MEDIUM", MEDIUM), ("LARGE", LARGE), ("XL", XL)):
        found += encode(quotes(f"v2 JSON quotes, {name}", *payload, "v2_json"), JSON_PEERS, folder, 3.5, 2.5)
    return found


def eod_and_ohlc(folder: Path) -> list[Outcome]:
    eod = Answer("v3 CSV eod, a month of 2,000 contracts", ("schema=eod", "first=20240102", "last=20240131"))
    ohlc = Answer("v3 CSV ohlc, MEDIUM", ("schema=ohlc", "interval=900000"))
    ohlc_xl = Answer("v3 CSV ohlc, XL", ("schema=ohlc", "interval=60000"))
    sides = ((eod, EOD_PEERS), (ohlc, CSV_PEERS), (ohlc_xl, CSV_PEERS))
    return [outcome for answer, peers in sides for outcome in encode(answer, peers, folder, 3.0, 2.2)]


def two_threads(folder: Path) -> list[Outcome]:
    file = folder / "answer"
    answer = quotes("XL", *XL)
    answer.render(file)
    sides = {threads: Side(f"{threads} threads", [BENCH, "encode", *answer.words, f"threads={threads}", f"file={file}"], folder / "none") for threads in (1, 2)}
    # Five answers to a turn: after each pause the system has to find the second thread a processor first.
    seconds = in_turns(ROUNDS, {side.name: lambda side=side: statistics.median(side.once() for _ in range(5)) for side in sides.values()})
    for side in sides.values():
        side.end()
    one, two = seconds["1 threads"], seconds["2 threads"]
    return [Outcome("two threads on one answer, XL", f"{two * 1e3:.0f} ms", f"our one thread {one * 1e3:.0f} ms", one / two, 1.7,
                    sides={side.name: {"s": seconds[side.name], "peak MiB": round(side.peak_mib)} for side in sides.values()})]


CONTRACT = ["expiration", "strike", "right"]


def contract_in(file: Path) -> dict[str, object]:
    """The contract of the middle row, as this file writes it: all files have the rows in one order, and each its own types."""
    import polars

    rows = polars.read_parquet(file, columns=CONTRACT)
    return rows.row(rows.height // 2, named=True)


def polars_all(file: Path, contract: dict) -> int:
    import polars

    return polars.read_parquet(file).height


def polars_one(file: Path, contract: dict) -> int:
    import polars

    return polars.scan_parquet(file).filter(*(polars.col(name) == value for name, value in contract.items())).collect().height


def duckdb_all(file: Path, contract: dict) -> int:
    import duckdb

    return duckdb.sql(f"SELECT count(*), last(COLUMNS(*)) FROM '{file}'").fetchall()[0][0]


def duckdb_one(file: Path, contract: dict) -> int:
    import duckdb

    where = " AND ".join(f"\"{name}\" = '{value}'" for name, value in contract.items())
    return len(duckdb.sql(f"SELECT * FROM '{file}' WHERE {where}").fetchall())


READ = {"polars": polars_all, "polars, one contract": polars_one, "DuckDB": duckdb_all, "DuckDB, one contract": duckdb_one}


def read_seconds(read, file: Path, contract: dict, rows: int, repeat: int = 5) -> float:
    began = time.perf_counter()
    for _ in range(repeat):
        found = read(file, contract)
    seconds = (time.perf_counter() - began) / repeat
    if found != rows:
        raise RuntimeError(f"{read.__name__} found {found} rows in {file.name}, and {rows} in ours")
    return seconds


def file_size(folder: Path) -> list[Outcome]:
    """Ours beside the smallest of the peers' files, and how long reading each takes."""
    found = []
    for name, payload in (("MEDIUM", MEDIUM), ("LARGE", LARGE), ("XL", XL)):
        _, ours, others = sides_of(quotes(f"file of {name}", *payload), CSV_PEERS, folder)
        for side in (ours, *others):
            side.end()
        best = min(others, key=lambda other: other.bytes)
        found.append(Outcome(f"size of the file, {name}", f"{ours.bytes / 1e6:.3f} MB", f"{best.name} {best.bytes / 1e6:.3f} MB",
                             ours.bytes / best.bytes, 1.0, at_most=True, sides={side.name: side.bytes for side in (ours, *others)}))
        if name != "XL":
            continue
        read = {"betedge": ours.out} | {other.name: other.out for other in others if other.bytes <= 1.1 * best.bytes}
        contracts = {side: contract_in(file) for side, file in read.items()}
        for reader, how in READ.items():
            rows = how(ours.out, contracts["betedge"])
            seconds = in_turns(9, {side: lambda side=side, file=file: read_seconds(how, file, contracts[side], rows) for side, file in read.items()})
            found.append(Outcome(f"reading it in {reader}", f"{seconds['betedge'] * 1e3:.1f} ms", f"that of {best.name} {seconds[best.name] * 1e3:.1f} ms",
                                 seconds["betedge"] / seconds[best.name], 1.0, at_most=True, sides={name: round(value, 5) for name, value in seconds.items()}))
    return found


ROWS = [
    Row("v3-csv", "v3 CSV quotes into Parquet, one thread", v3_csv),
    Row("v2-json", "v2 JSON quotes into Parquet, one thread", v2_json),
    Row("eod-ohlc", "v3 CSV of eod and ohlc into Parquet, one thread", eod_and_ohlc),
    Row("two-threads", "one answer on two threads", two_threads),
    Row("file-size", "the file's size, and reading it", file_size),
]
