"""The replay's arithmetic itself: right on a table that can be worked out by hand, and wrong by any change."""

import zlib

import pyarrow as pa

import replay_checks

COLUMNS = ["expiration", "strike", "right", "ms_of_day", "bid", "date"]


def table(bids=(1.05, 0.0, 183.0872), rights=("C", "P", "C")):
    return pa.table({
        "expiration": pa.array([20240119] * 3, pa.uint32()),
        "strike": pa.array([170000, 170000, 172500], pa.uint32()),
        "right": pa.array(rights),
        "ms_of_day": pa.array([34200000, 34200000, 35100000], pa.uint32()),
        "bid": pa.array(bids, pa.float64()),
        "date": pa.array([20240103] * 3, pa.uint32()),
    })


def test_a_summary_is_what_the_manifests_definition_says():
    found = replay_checks.summary(table(), COLUMNS)
    rows = ["20240119|170000|C|34200000|10500|20240103", "20240119|170000|P|34200000|0|20240103",
            "20240119|172500|C|35100000|1830872|20240103"]
    assert found["row_crc32_sum"] == sum(zlib.crc32(row.encode()) for row in rows)
    assert found["columns"]["bid_e4"] == {"min": 0, "max": 1830872, "sum": 1841372}
    assert (found["rows"], found["contracts"], found["expirations"], found["rows_call"]) == (3, 3, 1, 2)
    assert replay_checks.differences(found, found) == []


def test_any_change_shows():
    right = replay_checks.summary(table(), COLUMNS)
    one_cent = replay_checks.summary(table(bids=(1.06, 0.0, 183.0872)), COLUMNS)
    assert len(replay_checks.differences(one_cent, right)) == 2  # the column and the rows' sum
    swapped = replay_checks.summary(table(rights=("P", "C", "C")), COLUMNS)
    assert any("row_crc32_sum" in line for line in replay_checks.differences(swapped, right))
    short = replay_checks.summary(table().slice(0, 2), COLUMNS)
    assert any(line.startswith("rows: 2") for line in replay_checks.differences(short, right))


def test_a_table_in_several_chunks_counts_the_same():
    whole = table()
    cut = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 2)])
    assert replay_checks.summary(cut, COLUMNS) == replay_checks.summary(whole, COLUMNS)
