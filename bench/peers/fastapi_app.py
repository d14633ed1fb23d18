"""FastAPI beside ours: the status endpoint bare, and a durable submit with sqlite3 by hand.

Run by uvicorn with uvloop and httptools, one worker, no access log. PEER_STATUS is the file of the answer that
GET /jobs/{id} gives, PEER_STORE the file of the database.
"""

import os
import sqlite3
import uuid
from datetime import date, timedelta
from pathlib import Path

import orjson
from fastapi import FastAPI, Response
from pydantic import BaseModel

app = FastAPI()
STATUS = orjson.loads(Path(os.environ["PEER_STATUS"]).read_text())

store = sqlite3.connect(os.environ["PEER_STORE"], isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute("PRAGMA synchronous = FULL")
store.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, job_id TEXT UNIQUE, request TEXT, status TEXT, done INTEGER, total INTEGER)")
store.execute(
    "CREATE TABLE item (job INTEGER, seq INTEGER, object_key TEXT, label TEXT, spec TEXT, state INTEGER,"
    " PRIMARY KEY (job, seq)) WITHOUT ROWID"
)

# What our store keeps of an item, word for word: the same rows.
CALL = '{"role":"%s","kind":"%s","schema":"quote","root":"ROOT","start_date":"DAY","end_date":"DAY","interval":900000,"start_time":null,"end_time":null}'
SPEC = (
    '{"request":{"kind":"option","root":"ROOT","start_date":"DAY","end_date":"DAY","schema":"quote","interval":900000,"return_format":"parquet",'
    '"start_time":null,"end_time":null,"mode":"skip","force_refresh":false},"key":"historical-options/quote/15m/all/ROOT/PATH/data.parquet",'
    f'"covers_from":"DAY","covers_to":"DAY","calls":[{CALL % ("primary", "option")},{CALL % ("underlying", "stock")}]}}'
)


class Request(BaseModel):
    root: str
    start_date: str
    end_date: str
    data_schema: str = "quote"


# Without FastAPI's own walk over the answer, which halves it.
@app.get("/jobs/{job_id}")
async def status(job_id: str):
    return Response(orjson.dumps(STATUS), media_type="application/json")


def sessions(request: Request) -> list[date]:
    day, end, found = date.fromisoformat(request.start_date), date.fromisoformat(request.end_date), []
    while day <= end:
        if day.weekday() < 5:
            found.append(day)
        day += timedelta(days=1)
    return found


# On the loop itself: with one connection a pool of threads waits for the same commits, and is slower.
@app.post("/historical/option", status_code=202)
async def submit(request: Request):
    job = str(uuid.uuid4())
    days = sessions(request)[:252]  # as many as our calendar knows of that year
    store.execute("BEGIN IMMEDIATE")
    made = store.execute("INSERT INTO job (job_id, request, status, done, total) VALUES (?, ?, 'pending', 0, ?)",
                         (job, request.model_dump_json(), len(days)))
    number, root = made.lastrowid, request.root
    store.executemany(
        "INSERT INTO item VALUES (?, ?, ?, ?, ?, 0)",
        [
            (number, seq, f"historical-options/quote/15m/all/{root}/{day:%Y/%m/%d}/data.parquet", f"{day:%Y%m%d}",
             SPEC.replace("ROOT", root).replace("DAY", f"{day:%Y%m%d}").replace("PATH", f"{day:%Y/%m/%d}"))
            for seq, day in enumerate(days)
        ],
    )
    store.execute("COMMIT")
    return {"status": "accepted", "job_id": job, "message": "Request submitted for background processing",
            "status_url": f"/jobs/{job}"}
