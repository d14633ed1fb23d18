"""The form of the service that betedge replaces: every day downloaded, parsed and written, one after the other, and
then the answer. Leaner than that service was: one connection kept, orjson, pyarrow's defaults; nothing stored of the job.

    original_form.py BASE_URL ROOT FIRST LAST FOLDER    prints the seconds to the answer and the days written
"""

import http.client
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

base, root, first, last, folder = sys.argv[1:]
connection = http.client.HTTPConnection(base.removeprefix("http://"))
began = time.perf_counter()
day, end, written = date.fromisoformat(first), date.fromisoformat(last), 0
while day <= end:
    if day.weekday() < 5:
        connection.request("GET", f"/v2/hist/stock/ohlc?root={root}&start_date={day:%Y%m%d}&end_date={day:%Y%m%d}&ivl=900000")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            parsed = orjson.loads(body)
            columns = zip(*parsed["response"])
            table = pa.table(dict(zip(parsed["header"]["format"], map(pa.array, columns))))
            path = Path(folder, f"{day:%Y/%m/%d}/data.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path, compression="snappy")
            written += 1
        elif answer.status != 472:  # 472: a holiday
            raise SystemExit(f"{day}: {answer.status} {body[:200]!r}")
    day += timedelta(days=1)
print(time.perf_counter() - began, written)
