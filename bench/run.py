"""One day of AAPL option quotes into one Parquet file: ours and pyarrow's, on the same bytes, in turns.

From memory to memory, one thread each, zstd level 1. pyarrow leaves the vendor's columns as they are; ours checks
every row, turns v3's timestamps and dollars into the file's layout, and digests the values. Only the ratio counts:
absolute figures drift with the machine.
"""

import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

ROUNDS = 7
CASES = [("v3_csv", 900_000), ("v2_csv", 900_000), ("v3_csv", 60_000), ("v2_csv", 60_000)]


def peer(data: bytes) -> tuple[float, int]:
    start = time.perf_counter()
    table = pyarrow.csv.read_csv(io.BytesIO(data), read_options=pyarrow.csv.ReadOptions(use_threads=False))
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, compression="zstd", compression_level=1)
    return time.perf_counter() - start, out.tell()


def main() -> None:
    program = sys.argv[1]
    print(f"{'one day, AAPL quotes':<22} {'input':>9} {'rows':>9} {'ours':>11} {'pyarrow.csv':>13} {'ratio':>7}   files, ours and its")
    with tempfile.TemporaryDirectory() as folder:
        for form, interval in CASES:
            path = Path(folder) / "payload"
            subprocess.run([program, "render", form, str(interval), path], check=True)
            data = path.read_bytes()
            ours, theirs = [], []
            for _ in range(ROUNDS):
                said = json.loads(subprocess.run([program, "encode", form, str(interval), path], check=True, capture_output=True, text=True).stdout)
                ours.append(said["seconds"])
                seconds, peer_bytes = peer(data)
                theirs.append(seconds)
            mine, other = statistics.median(ours), statistics.median(theirs)
            mb = len(data) / 1e6
            print(f"{form + f', {interval // 60000} min':<22} {mb:>6.1f} MB {said['rows']:>9,} {mb / mine:>6.0f} MB/s {mb / other:>8.0f} MB/s"
                  f" {other / mine:>6.1f}x   {said['bytes'] / 1e6:.2f} and {peer_bytes / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
