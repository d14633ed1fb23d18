"""One answer into one Parquet file, from memory to memory on one thread, as people do it with these libraries.

    answer.py READER SETTING FILE [OUT]

Once for each line of standard input: prints seconds, rows and bytes out. At the end of input the last file goes into OUT.
The vendor's columns are left as they are (no timestamps or dollars are converted, nothing is checked): that is in the
peers' favour.
"""

import functools
import io
import json
import sys
import tempfile
import time
from pathlib import Path


def pyarrow_table(data: bytes):
    import pyarrow.csv

    # Blocks of 16 MiB instead of one: up to 7 % faster.
    options = pyarrow.csv.ReadOptions(use_threads=False, block_size=16 << 20)
    return pyarrow.csv.read_csv(pyarrow.BufferReader(data), read_options=options)


def pyarrow_csv(data: bytes, compression: str, level: int | None):
    return write_arrow(pyarrow_table(data), compression, level)


def pyarrow_csv_split(data: bytes, compression: str, level: int | None):
    """Where nearly every time is another one, a dictionary is in the way: byte-stream-split makes the file a fifth smaller."""
    import pyarrow

    table = pyarrow_table(data)
    times = [field.name for field in table.schema if pyarrow.types.is_timestamp(field.type)]
    others = [name for name in table.column_names if name not in times]
    return write_arrow(table, compression, level, use_dictionary=others, column_encoding=dict.fromkeys(times, "BYTE_STREAM_SPLIT"))


def polars_csv(data: bytes, compression: str, level: int | None):
    import polars

    return write_polars(polars.read_csv(data), compression, level)


def polars_json(data: bytes, compression: str, level: int | None):
    import polars

    document = polars.read_json(data, infer_schema_length=None)
    names = document["header"].struct.field("format")[0].to_list()
    frame = document.select("response").explode("response").unnest("response").explode("ticks").unnest("contract")
    ticks = [polars.col("ticks").list.get(i).alias(name) for i, name in enumerate(names)]
    frame = frame.select(*ticks, *(name for name in frame.columns if name != "ticks"))
    return write_polars(frame, compression, level)


def orjson_pyarrow(data: bytes, compression: str, level: int | None):
    import orjson
    import pyarrow

    document = orjson.loads(data)
    names = document["header"]["format"]
    ticks = [tick for contract in document["response"] for tick in contract["ticks"]]
    columns = {name: pyarrow.array(values) for name, values in zip(names, zip(*ticks))}
    contracts = [contract["contract"] for contract in document["response"] for _ in contract["ticks"]]
    for name in contracts[0]:
        columns[name] = pyarrow.array([contract[name] for contract in contracts])
    return write_arrow(pyarrow.table(columns), compression, level)


@functools.cache
def simdjson_parser():
    import simdjson

    return simdjson.Parser()


def simdjson_numpy(data: bytes, compression: str, level: int | None):
    import numpy
    import pyarrow

    # One parser for every answer, as simdjson advises: a new one takes two to three times as long for its memory.
    document = simdjson_parser().parse(data)
    names = document["header"]["format"].as_list()
    blocks, contracts = [], []
    for contract in document["response"]:
        blocks.append(numpy.frombuffer(contract["ticks"].as_buffer(of_type="d")))
        contracts.append(contract["contract"].as_dict())
    rows = numpy.concatenate(blocks).reshape(-1, len(names))
    lengths = numpy.array([len(block) // len(names) for block in blocks])
    columns = {}
    for i, name in enumerate(names):
        values = rows[:, i]
        is_price = name in ("bid", "ask", "open", "high", "low", "close", "vwap")
        columns[name] = pyarrow.array(values if is_price else values.astype(numpy.uint32))
    for name in contracts[0]:  # as dictionaries, which the writer takes as they are
        of_contract = pyarrow.array([contract[name] for contract in contracts]).dictionary_encode()
        of_row = pyarrow.array(numpy.repeat(of_contract.indices.to_numpy(), lengths))
        columns[name] = pyarrow.DictionaryArray.from_arrays(of_row, of_contract.dictionary)
    return write_arrow(pyarrow.table(columns), compression, level)


# DuckDB reads files alone: these lie in memory.
_files = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)


def duckdb(query: str):
    def convert(data: bytes, compression: str, level: int | None):
        import duckdb

        source, out = Path(_files.name) / "in", Path(_files.name) / "out"
        if not source.exists():
            source.write_bytes(data)
        connection = duckdb.connect(config={"threads": 1})
        settings = f"FORMAT parquet, COMPRESSION {compression}" + (f", COMPRESSION_LEVEL {level}" if level else "")
        (rows,) = connection.execute(f"COPY ({query.format(source=source)}) TO '{out}' ({settings})").fetchone()
        return rows, out.read_bytes()

    return convert


DUCKDB_JSON = """
WITH contract AS (SELECT unnest(response, recursive := false) AS each FROM read_json('{source}', maximum_object_size = 2000000000)),
tick AS (SELECT each.contract AS contract, unnest(each.ticks) AS tick FROM contract)
SELECT contract.*, tick[1] AS c1, tick[2] AS c2, tick[3] AS c3, tick[4] AS c4, tick[5] AS c5, tick[6] AS c6, tick[7] AS c7,
       tick[8] AS c8, tick[9] AS c9, tick[10] AS c10 FROM tick"""


def write_arrow(table, compression: str, level: int | None, **how):
    import pyarrow.parquet

    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out, compression=compression, compression_level=level, **how)
    return table.num_rows, out.getvalue()


def write_polars(frame, compression: str, level: int | None):
    out = io.BytesIO()
    frame.write_parquet(out, compression=compression, compression_level=level)
    return frame.height, out.getvalue()


READERS = {
    "pyarrow.csv": pyarrow_csv,
    "pyarrow.csv, times split": pyarrow_csv_split,
    "polars csv": polars_csv,
    "duckdb csv": duckdb("SELECT * FROM read_csv('{source}')"),
    "polars json": polars_json,
    "duckdb json": duckdb(DUCKDB_JSON),
    "orjson+pyarrow": orjson_pyarrow,
    "simdjson+numpy+pyarrow": simdjson_numpy,
}


def main() -> None:
    reader, setting, file, *out = sys.argv[1:]
    compression, _, level = setting.partition("-")
    data = Path(file).read_bytes()
    written = b""
    for _ in sys.stdin:
        began = time.perf_counter()
        rows, written = READERS[reader](data, compression, int(level) if level else None)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "rows": rows, "bytes": len(written)}), flush=True)
    if out:
        Path(out[0]).write_bytes(written)


if __name__ == "__main__":
    main()
