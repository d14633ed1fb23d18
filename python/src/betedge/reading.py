"""Reading a request's objects back, from a folder or a bucket, as whatever one computes with."""

from __future__ import annotations

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
    vendor has no data is neither.
    """

    def __init__(self, plan: Plan, lake: str, filesystem: Any = None, allow_missing: bool = False) -> None:
        fs = _need("pyarrow.fs", "arrow")
        self.lake = lake
        if filesystem is None:
            filesystem, root = fs.FileSystem.from_uri(lake) if "://" in lake else (fs.LocalFileSystem(), lake)
        else:
            root = lake.partition("://")[2] or lake
        self.filesystem = filesystem
        root = root.rstrip("/")
        infos = filesystem.get_file_info([f"{root}/{planned.key}" for planned in plan.objects])
        is_there = [info.type == fs.FileType.File for info in infos]
        self.files: list[str] = [info.path for info, there in zip(infos, is_there) if there]
        # What the plan has as present and is no file is a day without data: known, and not missing.
        self.missing: list[str] = [planned.key for planned, there in zip(plan.objects, is_there) if not there and not planned.is_present]
        self._format = "ipc" if any(planned.key.endswith(".ipc") for planned in plan.objects) else "parquet"
        if self.missing and not allow_missing:
            raise MissingObjects(self.missing)

    def __repr__(self) -> str:
        return f"<betedge.Reading of {len(self.files)} objects in {self.lake}" + (f", {len(self.missing)} missing>" if self.missing else ">")

    def scan(self) -> Any:
        """A pyarrow.dataset.Dataset: reads what is asked of it, when it is asked."""
        dataset = _need("pyarrow.dataset", "arrow")
        if not self.files:
            raise BetEdgeError("there is nothing to read: the request has no objects")
        return dataset.dataset(self.files, filesystem=self.filesystem, format=self._format)

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
