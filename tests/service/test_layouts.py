"""Files of every layout, opened by those who read them: pyarrow, polars and DuckDB.

What each of them reads is compared, value by value, with what the simulator answers to the same question in CSV.
"""

import csv
import datetime
import decimal
import io
import struct

import duckdb
import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from zoneinfo import ZoneInfo

import harness

NEW_YORK = ZoneInfo("America/New_York")
DAY, MONTH = "20240116", ("20240102", "20240131")

REQUESTS = {
    "option_quote": ("option", {"root": "AAPL", "start_date": DAY, "end_date": DAY, "schema": "quote", "interval": 3_600_000}),
    "option_ohlc": ("option", {"root": "AAPL", "start_date": DAY, "end_date": DAY, "schema": "ohlc", "interval": 3_600_000}),
    "option_eod": ("option", {"root": "AAPL", "start_date": MONTH[0], "end_date": "20240103", "schema": "eod"}),
    "stock_ohlc": ("stock", {"root": "AAPL", "start_date": DAY, "end_date": DAY, "schema": "ohlc", "interval": 60_000}),
    "stock_eod": ("stock", {"root": "AAPL", "start_date": "20240102", "end_date": "20240102", "schema": "eod"}),
}
LABELS = {3_600_000: "1h", 60_000: "1m"}


def answer_of(sim, kind, schema, first, last, interval=None):
    """The simulator's rows as dicts of text."""
    target = f"/v3/{kind}/history/{schema}?symbol=AAPL&format=csv&start_date={first}&end_date={last}"
    target += "&expiration=*" if kind == "option" else ""
    target += f"&interval={LABELS[interval]}" if interval else ""
    target += "&venue=utp_cta" if kind == "stock" and interval else ""
    answer = harness.Client(sim.v3_port).get(target)
    assert answer.status == 200, answer
    return list(csv.DictReader(io.StringIO(answer.text)))


def expected_rows(sim, name, covers):
    """What a file must hold: v3's rows in its order, then the underlying's."""
    kind, members = REQUESTS[name]
    schema, interval = members["schema"], members.get("interval")
    rows = []
    if kind == "option" and schema == "eod":
        for day in covers:
            rows += answer_of(sim, kind, schema, day, day)
    else:
        rows += answer_of(sim, kind, schema, covers[0], covers[-1], interval)
    if kind == "option" and schema != "eod":
        rows += answer_of(sim, "stock", schema, covers[0], covers[-1], interval)
    return rows


def wall_clock(text):
    return datetime.datetime.fromisoformat(text if "." not in text else text.split(".")[0] + "." + text.split(".")[1].ljust(6, "0"))


def milliseconds_of_day(time):
    return ((time.hour * 60 + time.minute) * 60 + time.second) * 1000 + time.microsecond // 1000


def instant(time):
    return round(time.replace(tzinfo=NEW_YORK).timestamp() * 1000)


def wanted(row, name, style, price):
    """The value of a column, from a row of the vendor's."""
    underlying = "strike" not in row
    time = wall_clock(row.get("timestamp") or row["created"])
    last_trade = wall_clock(row["last_trade"]) if "last_trade" in row else None
    if name in ("timestamp", "created"):
        return instant(time)
    if name == "ms_of_day":
        return milliseconds_of_day(time)
    if name == "ms_of_day2":
        return milliseconds_of_day(last_trade)
    if name == "last_trade":
        return instant(last_trade) if int(row["volume"]) > 0 else None
    if name == "date":
        return time.date() if style == "typed" else int(time.strftime("%Y%m%d"))
    if name == "root":
        return "AAPL"
    if name == "right":
        return "U" if underlying else row["right"][0]
    if name == "expiration":
        if style == "typed":
            return None if underlying else datetime.date.fromisoformat(row[name])
        return 0 if underlying else int(row[name].replace("-", ""))
    if name == "strike":
        if style == "typed":
            return None if underlying else decimal.Decimal(row[name])
        return 0 if underlying else int(decimal.Decimal(row[name]) * 1000)
    if name in ("open", "high", "low", "close", "bid", "ask", "vwap"):
        return price(float(row[name]))
    return int(row[name])


def as_float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def plain_value(value):
    """Times as milliseconds since 1970, whatever a reader's own type of them is."""
    if isinstance(value, datetime.datetime):
        return round(value.timestamp() * 1000)
    return value


def by_pyarrow(path):
    table = pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.ipc.open_file(path).read_all()
    table.validate(full=True)
    return {name: [plain_value(value) for value in table[name].to_pylist()] for name in table.column_names}


def by_polars(path):
    frame = polars.read_parquet(path) if path.suffix == ".parquet" else polars.read_ipc(path, memory_map=False)
    return {name: [plain_value(value) for value in frame[name].to_list()] for name in frame.columns}


def by_duckdb(path):
    with duckdb.connect() as database:
        if path.suffix == ".parquet":
            database.execute(f"CREATE VIEW file AS SELECT * FROM read_parquet('{path}')")
        else:
            # DuckDB reads Arrow's batches, but no Arrow files.
            database.register("file", pyarrow.ipc.open_file(path).read_all())
        types = {name: kind for name, kind, *_ in database.execute("DESCRIBE file").fetchall()}
        columns = [f"epoch_ms({name})" if kind == "TIMESTAMP WITH TIME ZONE" else f'"{name}"' for name, kind in types.items()]
        rows = database.execute(f"SELECT {', '.join(columns)} FROM file").fetchall()
        return dict(zip(types, map(list, zip(*rows)), strict=True))


READERS = {"pyarrow": by_pyarrow, "polars": by_polars, "duckdb": by_duckdb}


class Lake:
    """All requests, downloaded in one layout and format."""

    def __init__(self, folder, style, price_type, extension, api="v3"):
        self.style, self.price_type = style, price_type
        self.sim = harness.Sim(folder / "sim", api, ["--today", "20240520"])
        self.server = harness.Server(
            folder / "server", self.sim, BETEDGE_LAKE_COLUMNS=style, BETEDGE_LAKE_PRICE_TYPE=price_type)
        client = self.server.client
        jobs = {name: client.submit(kind, return_format=extension, **members) for name, (kind, members) in REQUESTS.items()}
        self.files = {}
        for name, job in jobs.items():
            assert self.server.wait_job(job)["status"] == "completed"
            (item,) = client.items(job)
            self.files[name] = self.server.lake / item["key"]

    def expected(self, name, columns):
        covered = {"option_eod": january(), "stock_eod": ["20240102", "20240517"]}.get(name, [DAY])
        rows = expected_rows(self.sim, name, covered)
        price = as_float32 if self.price_type == "float32" else float
        return {column: [wanted(row, column, self.style, price) for row in rows] for column in columns}

    def stop(self):
        harness.stop_all([self.sim, self.server])


def january():
    days = (datetime.date(2024, 1, 2) + datetime.timedelta(days=n) for n in range(30))
    return [day.strftime("%Y%m%d") for day in days if day.weekday() < 5 and day.day != 15]


LAYOUTS = {
    "plain": ("plain", "float64", "parquet"),
    "plain_ipc": ("plain", "float64", "ipc"),
    "plain_float32": ("plain", "float32", "parquet"),
    "typed": ("typed", "float64", "parquet"),
    "typed_ipc": ("typed", "float64", "ipc"),
    "typed_float32_ipc": ("typed", "float32", "ipc"),
}


@pytest.fixture(scope="module", params=LAYOUTS)
def lake(request, tmp_path_factory):
    found = Lake(tmp_path_factory.mktemp(request.param), *LAYOUTS[request.param])
    yield found
    found.stop()


@pytest.mark.parametrize("name", REQUESTS)
def test_every_reader_sees_the_values_that_the_terminal_sent(lake, name):
    path = lake.files[name]
    expected = None
    for reader, read in READERS.items():
        columns = read(path)
        expected = expected or lake.expected(name, columns)
        assert len(expected["close" if "close" in expected else "bid"]) > 0
        for column, values in columns.items():
            assert values == expected[column], f"{column} of {name} as {reader} reads it"


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    found = Lake(tmp_path_factory.mktemp("typed-parquet"), "typed", "float64", "parquet")
    yield found
    found.stop()


def test_a_typed_file_has_its_types_in_every_reader(typed):
    path = typed.files["option_ohlc"]
    schema = pyarrow.parquet.read_schema(path)
    assert schema.field("timestamp").type == pyarrow.timestamp("ms", "America/New_York")
    assert schema.field("expiration").type == pyarrow.date32()
    assert schema.field("strike").type == pyarrow.decimal128(12, 3)
    assert pyarrow.types.is_dictionary(schema.field("right").type)
    frame = polars.read_parquet(path)
    assert frame.schema["timestamp"] == polars.Datetime("ms", "America/New_York")
    assert frame.schema["expiration"] == polars.Date
    assert frame.schema["strike"] == polars.Decimal(12, 3)
    with duckdb.connect() as database:
        types = dict(row[:2] for row in database.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall())
    assert types["timestamp"] == "TIMESTAMP WITH TIME ZONE"
    assert types["expiration"] == "DATE"
    assert types["strike"] == "DECIMAL(12,3)"


def test_readers_filter_a_typed_file_by_its_own_types(typed):
    path = typed.files["option_ohlc"]
    table = pyarrow.parquet.read_table(path)
    expiration = next(value for value in table["expiration"].to_pylist() if value)
    strike = next(value for value in table["strike"].to_pylist() if value)
    wanted_rows = sum(
        1 for day, dollars in zip(table["expiration"].to_pylist(), table["strike"].to_pylist())
        if day == expiration and dollars == strike)
    assert wanted_rows > 0
    filters = [("expiration", "=", expiration), ("strike", "=", strike)]
    assert pyarrow.parquet.read_table(path, filters=filters).num_rows == wanted_rows
    lazy = polars.scan_parquet(path).filter((polars.col("expiration") == expiration) & (polars.col("strike") == strike))
    assert lazy.collect().height == wanted_rows
    with duckdb.connect() as database:
        count = database.execute(f"SELECT count(*) FROM '{path}' WHERE expiration = ? AND strike = ?", [expiration, strike])
        assert count.fetchone() == (wanted_rows,)


def test_parquet_has_what_readers_skip_by(typed):
    for name, path in typed.files.items():
        metadata = pyarrow.parquet.read_metadata(path)
        for group in range(metadata.num_row_groups):
            for index in range(metadata.num_columns):
                column = metadata.row_group(group).column(index)
                assert column.has_column_index and column.has_offset_index, column.path_in_schema
                assert column.is_stats_set, column.path_in_schema
                statistics = column.statistics
                if statistics.null_count < column.num_values:
                    assert statistics.has_min_max and statistics.min <= statistics.max, column.path_in_schema
        sorting = metadata.row_group(0).sorting_columns
        assert [one.column_index for one in sorting] == ([0] if name == "option_eod" else []), name
    dates = pyarrow.parquet.read_table(typed.files["option_eod"])["date"].to_pylist()
    assert dates == sorted(dates)


def test_v2_brings_the_same_typed_file_but_for_what_it_does_not_have(typed, tmp_path):
    v2 = Lake(tmp_path, "typed", "float64", "parquet", "v2")
    try:
        for name, path in typed.files.items():
            of_v3, of_v2 = pyarrow.parquet.read_table(path), pyarrow.parquet.read_table(v2.files[name])
            if "vwap" in of_v3.column_names:
                assert of_v2["vwap"].null_count == of_v2.num_rows
                of_v3, of_v2 = of_v3.drop_columns(["vwap"]), of_v2.drop_columns(["vwap"])
            assert of_v3.equals(of_v2), name
    finally:
        v2.stop()


def test_an_object_of_the_other_layout_is_downloaded_again(tmp_path):
    sim = harness.Sim(tmp_path / "sim", arguments=["--today", "20240520"])
    kind, members = REQUESTS["stock_ohlc"]
    columns = []
    for style in ("plain", "typed", "typed", "plain"):
        server = harness.Server(tmp_path / "server", sim, BETEDGE_LAKE_COLUMNS=style)
        job = server.client.submit(kind, **members)
        server.wait_job(job)
        (item,) = server.client.items(job)
        columns.append((item["state"], pyarrow.parquet.read_schema(server.lake / item["key"]).names[0]))
        server.stop()
    sim.stop()
    assert columns == [
        ("succeeded", "ms_of_day"), ("succeeded", "timestamp"), ("skipped", "timestamp"), ("succeeded", "ms_of_day")]


def rules(path):
    prefix = b"betedge.rule."
    metadata = pyarrow.parquet.read_metadata(path).metadata
    return {key[len(prefix):].decode(): int(value) for key, value in metadata.items() if key.startswith(prefix)}


# The fault, the request, the rule, and rows that it met for each row that is left.
DEFECTS = {
    "doubled": ("doubled", "option_eod", "doubled_contracts", 1),
    "doubled_apart": ("doubled=apart", "option_eod", "doubled_contracts", 1),
    "twins_of_eod": ("twins", "option_eod", "identical_twins", 1),
    "twins_of_quotes": ("twins", "option_quote", "identical_twins", 1),
    "twins_of_bars": ("twins", "stock_ohlc", "identical_twins", 1),
}


@pytest.mark.parametrize("defect", DEFECTS)
@pytest.mark.parametrize("style", ["plain", "typed"])
def test_a_defect_leaves_the_file_that_a_sound_answer_makes(tmp_path, defect, style):
    fault, request, rule, times = DEFECTS[defect]
    kind, members = REQUESTS[request]
    tables = []
    for faults in ((), (fault,)):
        sim = harness.Sim(tmp_path / f"sim{len(faults)}", arguments=["--today", "20240520"])
        sim.faults(*faults)
        server = harness.Server(tmp_path / f"server{len(faults)}", sim, BETEDGE_LAKE_COLUMNS=style)
        job = server.client.submit(kind, **members)
        assert server.wait_job(job)["status"] == "completed"
        (item,) = server.client.items(job)
        path = server.lake / item["key"]
        tables.append(pyarrow.parquet.read_table(path))
        assert item["rows"] == tables[-1].num_rows
        found = {name: rows for name, rows in rules(path).items() if name != "quoted_without_trade"}
        assert found == ({rule: times * tables[0].num_rows} if faults else {})
        harness.stop_all([sim, server])
    sound, mended = tables
    if defect.startswith("doubled"):
        created = "created" if style == "typed" else "ms_of_day"
        times = zip(sound[created].to_pylist(), mended[created].to_pylist(), strict=True)
        assert all(late > early for early, late in times)
        sound, mended = sound.drop_columns([created]), mended.drop_columns([created])
    assert mended.equals(sound)


def test_an_untraded_option_that_is_quoted_is_data(typed):
    path = typed.files["option_eod"]
    table = pyarrow.parquet.read_table(path).to_pylist()
    quoted = [row for row in table if row["close"] == 0 and row["open"] == 0 and (row["bid"] > 0 or row["ask"] > 0)]
    assert len(quoted) > 0
    assert rules(path) == {"quoted_without_trade": len(quoted)}
    assert all(row["last_trade"] is None for row in quoted)
