"""A month of option quotes by a threaded client, as its users have it today: four threads, a connection each, every answer
parsed whole, one Parquet file at the end.

    successor.py pyarrow|polars BASE_URL SYMBOL INTERVAL OUT DAY…

Prints the seconds from the first request to the file.
"""

import io
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import requests

_of_thread = threading.local()


def fetch(url: str) -> bytes:
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
    answer = _of_thread.session.get(url, timeout=300)
    answer.raise_for_status()
    return answer.content


def with_pyarrow(bodies, out: str) -> None:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    options = pyarrow.csv.ReadOptions(use_threads=False)
    tables = bodies(lambda body: pyarrow.csv.read_csv(io.BytesIO(body), read_options=options))
    pyarrow.parquet.write_table(pyarrow.concat_tables(tables, promote_options="default"), out, compression="zstd")


def with_polars(bodies, out: str) -> None:
    import polars

    polars.concat(bodies(polars.read_csv), how="diagonal").write_parquet(out, compression="zstd")


def main() -> None:
    library, base_url, symbol, interval, out, *days = sys.argv[1:]
    urls = []
    for day in days:
        common = f"symbol={symbol}&date={day}&interval={interval}&format=csv"
        urls.append(f"{base_url}/v3/option/history/quote?expiration=*&{common}")
        urls.append(f"{base_url}/v3/stock/history/quote?venue=utp_cta&{common}")
    write = {"pyarrow": with_pyarrow, "polars": with_polars}[library]
    __import__({"pyarrow": "pyarrow.parquet", "polars": "polars"}[library])

    def bodies(parse):
        with ThreadPoolExecutor(4) as pool:
            return list(pool.map(lambda url: parse(fetch(url)), urls))

    began = time.perf_counter()
    write(bodies, out)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
