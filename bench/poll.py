"""Polls a job until it ends, from a process of its own: its waits are the server's, not another reader's of the same Python.

    poll.py PORT JOB    prints the p99 of a poll in milliseconds, and then the job
"""

import http.client
import json
import statistics
import sys
import time

port, job = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
took = []
while True:
    began = time.perf_counter()
    connection.request("GET", f"/jobs/{job}")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    took.append(time.perf_counter() - began)
    if answer.status != 200 or body["status"] not in ("pending", "running"):
        break
    time.sleep(0.005)
print(statistics.quantiles(took, n=100)[98] * 1e3)
print(json.dumps(body))
