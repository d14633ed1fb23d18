"""Reading a request's objects back, from a folder or a bucket, as whatever one computes with."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from .errors import BetEdgeError, MissingObjects
from .models import Plan

if TYPE_CHECKING:
    import polars


def _need(module: str, extra: str) -> Any:
    try:
        return __import__(module, fromlist=["_"])
    except ImportError:
        raise BetEdgeError(f"this needs {module}: pip install 'betedge[{extra}]'") from None


class Reading:
    """Exactly the objects of one request: those that are in the lake, in date order.

    `files` are their places and `missing` the keys that are not there (empty unless they were allowed). A day of which the
    vendor has no data is neither. Not whole before `settle`, which Client.read calls.
    """

    def __init__(self, plan: Plan, lake: str, filesystem: Any = None) -> None:
        fs = _need("pyarrow.fs", "arrow")
        self.lake = lake
        if filesystem is None:
            filesystem, root = fs.FileSystem.from_uri(lake) if "://" in lake else (fs.LocalFileSystem(), lake)
        else:
            root = lake.partition("://")[2] or lake
        self.filesystem = filesystem
        self._root = root = root.rstrip("/")
        infos = filesystem.get_file_info([f"{root}/{planned.key}" for planned in plan.objects])
        is_there = [info.type == fs.FileType.File for info in infos]
        self.files: list[str] = [info.path for info, there in zip(infos, is_there) if there]
        absent = [planned for planned, there in zip(plan.objects, is_there) if not there]
        self.missing: list[str] = [planned.key for planned in absent if not planned.is_present]
        # The server has settled these: days without data, or objects that it sees and this machine does not.
        self.unseen: list[str] = [planned.key for planned in absent if planned.is_present]
        self._keys = [planned.key for planned in plan.objects]
        self._request: Mapping[str, Any] = plan.raw["request"]
        self._format = "ipc" if any(key.endswith(".ipc") for key in self._keys) else "parquet"

    def settle(self, held: Collection[str], allow_missing: bool) -> None:
        """Told which of the `unseen` lie in the server's lake: those are missing here, the others are days without data."""
        elsewhere = [key for key in self.unseen if key in held]
        if elsewhere and not allow_missing:
            raise MissingObjects(elsewhere, self.lake, "the server has them: say where this machine sees its lake, by lake=… or filesystem=…")
        if self.missing and not allow_missing:
            raise MissingObjects(self.missing, "the lake", "submit the request to get them")
        self.missing = sorted([*self.missing, *elsewhere])

    def __repr__(self) -> str:
        return f"<betedge.Reading of {len(self.files)} objects in {self.lake}" + (f", {len(self.missing)} missing>" if self.missing else ">")

    def scan(self) -> Any:
        """A pyarrow.dataset.Dataset: reads what is asked of it, when it is asked. Stocks of a list of symbols have one column
        more, `root`."""
        dataset = _need("pyarrow.dataset", "arrow")
        if not self.files:
            raise BetEdgeError("there is nothing to read: the request has no objects")
        if self._request.get("kind") != "stock" or "roots" not in self._request:
            return dataset.dataset(self.files, filesystem=self.filesystem, format=self._format)
        # A stock's file does not say whose it is; its folder does.
        series = f"{self._root}/{re.split(r'/[^/]+/[0-9]{4}/', self._keys[0])[0]}"
        symbols = dataset.partitioning(_need("pyarrow", "arrow").schema([("root", "string")]))
        return dataset.dataset(self.files, filesystem=self.filesystem, format=self._format, partitioning=symbols, partition_base_dir=series)

    def to_arrow(self) -> Any:
        """A pyarrow.Table, whole."""
        return self.scan().to_table()

    def to_pandas(self) -> Any:
        """A pandas.DataFrame, whole."""
        _need("pandas", "pandas")
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.LazyFrame:
        """A polars.LazyFrame: filters and columns are pushed down to the files."""
        found: polars.LazyFrame = _need("polars", "polars").scan_pyarrow_dataset(self.scan())
        return found

    def to_duckdb(self, connection: Any = None) -> Any:
        """A DuckDB relation, for SQL: `reading.to_duckdb().query("day", "SELECT …")`."""
        duckdb = _need("duckdb", "duckdb")
        return (connection or duckdb).from_arrow(self.scan())
