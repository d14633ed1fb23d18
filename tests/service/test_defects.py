"""The vendor's known defects, switched on one by one in the simulator: the rows that come out, and what is said of them.

Each job is run twice, against a terminal with the defect and against one without, and the objects are compared. What a
rule met is counted in the item's note and in the file's metadata, under one name.
"""

import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest

APIS = pytest.mark.parametrize("api", ["v3", "v2"])
CHAIN = {"kind": "option", "root": "AAPL", "start_date": "20210301", "end_date": "20210331", "schema": "eod"}
BARS = {"kind": "stock", "root": "AAPL", "start_date": "20240103", "end_date": "20240103", "schema": "ohlc"}
QUOTES = {**BARS, "schema": "quote"}
RULE = "betedge.rule."
LATER_MS = 37_250  # by which the simulator's second `created` is later


class Outcome:
    """One job of one object: its item, and the object as pyarrow reads it."""

    def __init__(self, server, job):
        self.job = server.wait_job(job)
        self.item, = server.client.items(job)
        path = server.lake / self.item["key"]
        self.table = parquet.read_table(path) if path.exists() else None
        metadata = (self.table.schema.metadata if self.table else None) or {}
        self.rules = {
            name.decode()[len(RULE):]: int(value)
            for name, value in metadata.items()
            if name.decode().startswith(RULE)
        }

    @property
    def note(self):
        return self.item.get("note") or ""

    def column(self, name):
        return self.table[name].combine_chunks()


@pytest.fixture
def run(simulate, serve, folder):
    def run(api, *faults, **request):
        number = sum(1 for _ in folder.glob("run-*"))
        sim = simulate("--contracts", "20", *(text for fault in faults for text in ("--fault", fault)), api=api)
        server = serve(sim, folder=folder / f"run-{number}", THETA_RETRY_DELAY="10ms")
        request = dict(request)
        return Outcome(server, server.client.submit(request.pop("kind"), **request))

    return run


def assert_said(outcome, **rules):
    """In note and metadata alike; `rules` are all that there are but for what a clean chain has too."""
    found = {name: rows for name, rows in outcome.rules.items() if name != "quoted_without_trade"}
    assert found == rules, outcome.note
    for name, rows in outcome.rules.items():
        assert f"{name}: {rows} rows" in outcome.note


def assert_failed(outcome, text):
    assert (outcome.item["state"], outcome.item["attempts"]) == ("failed", 4), outcome.item
    assert text in outcome.item["error"], outcome.item
    assert outcome.table is None


def different_columns(table, other):
    assert table.schema.names == other.schema.names and table.num_rows == other.num_rows
    return {name for name in table.schema.names if not table[name].equals(other[name])}


@APIS
@pytest.mark.parametrize("how", ["doubled", "doubled=apart"])
def test_of_doubled_contracts_the_newest_is_kept(run, api, how):
    clean, met = run(api, **CHAIN), run(api, how, **CHAIN)
    assert different_columns(met.table, clean.table) == {"ms_of_day"}
    later = pc.subtract(pc.cast(met.column("ms_of_day"), "int64"), pc.cast(clean.column("ms_of_day"), "int64"))
    assert pc.unique(later).to_pylist() == [LATER_MS]
    assert_said(met, doubled_contracts=clean.table.num_rows)
    assert_said(clean)


@APIS
@pytest.mark.parametrize("how", ["conflict", "conflict=apart"])
def test_conflicting_contracts_are_counted_and_the_newest_is_kept(run, api, how):
    clean, met = run(api, **CHAIN), run(api, how, **CHAIN)
    assert different_columns(met.table, clean.table) <= {"ms_of_day", "close", "high", "ask"}
    for name in ("close", "ask"):
        cents = pc.round(pc.multiply(pc.subtract(met.column(name), clean.column(name)), 100.0))
        assert pc.unique(cents).to_pylist() == [1.0]
    rows = clean.table.num_rows
    assert_said(met, doubled_contracts=rows, conflicting_contracts=rows)


@APIS
@pytest.mark.parametrize("request_", [CHAIN, BARS, QUOTES], ids=["chain_eod", "bars", "quotes"])
def test_of_identical_twins_one_is_kept(run, api, request_):
    clean, met = run(api, **request_), run(api, "twins", **request_)
    assert different_columns(met.table, clean.table) == set()
    assert_said(met, identical_twins=clean.table.num_rows)


@APIS
@pytest.mark.parametrize("schema", ["ohlc", "quote", "eod"])
def test_an_all_zero_stock_series_is_no_data_with_its_own_reason(run, api, schema):
    met = run(api, "zeros", **{**BARS, "schema": schema})
    assert (met.item["state"], met.job["status"], met.job["error_message"]) == ("no_data", "completed", None), met.item
    assert "every price of its" in met.note and "is zero" in met.note, met.item
    assert met.table is None
    # No data otherwise is told apart.
    none = run(api, "472", **{**BARS, "schema": schema})
    assert none.item["state"] == "no_data" and "zero" not in none.note


@APIS
def test_a_zero_session_in_a_stocks_year_stays_and_is_counted(run, api):
    request = {**BARS, "schema": "eod"}
    clean, met = run(api, **request), run(api, "zeros=20240105", **request)
    assert met.table.num_rows == clean.table.num_rows == 252
    differs = pc.not_equal(met.column("close"), clean.column("close"))
    assert pc.unique(met.table.filter(differs)["date"]).to_pylist() == [20240105]
    assert_said(met, zero_sessions=1)


@APIS
def test_zero_ohlc_on_an_option_that_is_quoted_is_data(run, api):
    clean, met = run(api, **CHAIN), run(api, "zeros", **CHAIN)
    assert met.table.num_rows == clean.table.num_rows
    assert not different_columns(met.table, clean.table) & {"bid", "ask", "bid_size", "ask_size", "strike", "date"}
    for outcome in (clean, met):
        untraded = pc.equal(pc.max_element_wise(*map(outcome.column, ("open", "high", "low", "close"))), 0.0)
        quoted = pc.greater(pc.max_element_wise(outcome.column("bid"), outcome.column("ask")), 0.0)
        rows = pc.sum(pc.and_(untraded, quoted)).as_py()
        assert rows > 0 and outcome.rules == {"quoted_without_trade": rows}
    assert pc.max(met.column("close")).as_py() == 0.0


@APIS
@pytest.mark.parametrize("day", ["20240103", "20241224"], ids=["full_day", "early_close"])
def test_a_minute_day_has_390_bars_and_391_quotes_and_an_early_close_is_not_cut(run, api, day):
    bars, quotes = (run(api, **{**one, "start_date": day, "end_date": day}) for one in (BARS, QUOTES))
    assert (bars.table.num_rows, quotes.table.num_rows) == (390, 391)
    assert_said(bars)
    assert_said(quotes)
    late = bars.table.filter(pc.greater_equal(bars.table["ms_of_day"], 13 * 3_600_000))
    assert late.num_rows == 180
    assert (pc.max(late["high"]).as_py() == 0.0) == (day == "20241224")


def test_a_row_stamped_at_the_end_of_its_day_stays(run):
    clean, met = run("v2", **QUOTES), run("v2", "midnight", **QUOTES)
    assert different_columns(met.table, clean.table) == {"ms_of_day"}
    assert pc.max(met.column("ms_of_day")).as_py() == 86_400_000
    assert pc.unique(met.column("date")).to_pylist() == [20240103]
    assert_said(met, midnight_rows=1)


@APIS
@pytest.mark.parametrize("request_", [CHAIN, BARS, QUOTES], ids=["chain_eod", "bars", "quotes"])
def test_mixed_scales_are_the_same_values(run, api, request_):
    clean, met = run(api, **request_), run(api, "scales", **request_)
    assert different_columns(met.table, clean.table) == set()
    assert_said(met)


@APIS
def test_columns_in_another_order_and_unknown_ones_are_the_same_values(run, api):
    clean, met = run(api, **BARS), run(api, "columns", **BARS)
    assert different_columns(met.table, clean.table) == set()
    assert_said(met)


@APIS
@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("empty", "empty body"),
        ("html", ""),
        ("short", "in the middle of its answer"),
        ("wrong-header", ""),
        ("cut-row", ""),
        ("no-data-200", ""),
    ],
)
@pytest.mark.parametrize("request_", [CHAIN, BARS, QUOTES], ids=["chain_eod", "bars", "quotes"])
def test_what_is_not_the_data_asked_for_is_a_failure(run, api, fault, text, request_):
    if request_ is CHAIN:
        request_ = {**CHAIN, "schema": "ohlc", "end_date": "20210301", "interval": 3600000}
    assert_failed(run(api, fault, **request_), text)
