"""What an object's rows must add up to, worked out from an Arrow table.

The manifest of the replay data gives, for each recorded answer, rows, contracts, min, max and sum of
each column, and the sum of a CRC over each row. All of that is computed here from a table as it was
read back from the lake, with Arrow's own kernels: a minute's worth of rows takes well under a second.
"""

import zlib

import pyarrow as pa
import pyarrow.compute as pc

PRICES = ("open", "high", "low", "close", "bid", "ask")


def whole_prices(column):
    """Dollars as whole 1/10000 of a dollar, whatever floating type they were stored in."""
    return pc.cast(pc.round(pc.multiply(pc.cast(column, pa.float64()), 10000.0)), pa.int64())


def values(table, name):
    """The column as the manifest counts it: prices as whole numbers, text as text, else int64."""
    column = table[name]
    if name in PRICES:
        return whole_prices(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return column
    return pc.cast(column, pa.int64())


def row_crc32_sum(table, columns):
    """The sum over all rows of crc32("a|b|c"), independent of their order."""
    if table.num_rows == 0:
        return 0
    texts = [pc.cast(values(table, name), pa.large_string()) for name in columns]
    newline = pa.scalar("\n", pa.large_string())
    separator = pa.scalar("|", pa.large_string())
    total = 0
    for chunk in pc.binary_join_element_wise(*texts, newline, separator).chunks:
        # "a|b|c|\n": the last separator and the newline end a row and are no part of it.
        rows = chunk.buffers()[2].to_pybytes().split(b"|\n")
        total += sum(map(zlib.crc32, rows[: len(chunk)]))
    return total


def summary(table, columns):
    """The manifest's `expected` for this table, given the columns it names."""
    found = {"rows": table.num_rows, "columns": {}}
    for name in columns:
        if name in ("root", "right"):
            continue
        column = values(table, name)
        low_high = pc.min_max(column)
        found["columns"][name + "_e4" if name in PRICES else name] = {
            "min": low_high["min"].as_py(),
            "max": low_high["max"].as_py(),
            "sum": pc.sum(column).as_py(),
        }
    found["row_crc32_sum"] = row_crc32_sum(table, columns)
    found["row_crc32_columns"] = list(columns)
    if "right" in columns:
        contracts = table.group_by(["expiration", "strike", "right"]).aggregate([])
        found["contracts"] = contracts.num_rows
        found["expirations"] = pc.count_distinct(table["expiration"]).as_py()
        found["rows_call"] = pc.sum(pc.equal(table["right"], "C")).as_py()
    return found


def without_underlying(table):
    """The option's own rows, and the underlying's that follow them (right "U")."""
    own = pc.not_equal(table["right"], "U")
    return table.filter(own), table.filter(pc.invert(own))


def differences(found, expected):
    """What is not as the manifest says, one line each; empty when all is."""
    lines = []
    for name, wanted in expected.items():
        got = found.get(name)
        if name == "columns":
            for column, numbers in wanted.items():
                if got.get(column) != numbers:
                    lines.append(f"column {column}: {got.get(column)} instead of {numbers}")
        elif got != wanted:
            lines.append(f"{name}: {got} instead of {wanted}")
    return lines
