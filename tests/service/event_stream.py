"""Server-sent events as a client reads them (WHATWG HTML, 9.2): one stream, and thousands at once."""

import http.client
import json
import selectors
import socket
import threading
import time
from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    text: str

    @property
    def data(self):
        return json.loads(self.text)


class EventParser:
    """Bytes as they come, cut anywhere; events as they are complete."""

    def __init__(self):
        self._bytes = b""
        self._name, self._data = "", []
        self.last_id, self.retry_ms, self.comments = "", None, 0

    def feed(self, data):
        self._bytes += data
        *lines, self._bytes = self._bytes.replace(b"\r\n", b"\n").split(b"\n")
        return [event for line in lines if (event := self._line(line.decode("utf-8")))]

    def _line(self, line):
        if not line:
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return Event(name, self.last_id, "\n".join(data)) if data else None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not field:
            self.comments += 1
        elif field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
        elif field == "id":
            self.last_id = value
        elif field == "retry":
            self.retry_ms = int(value)
        else:
            raise AssertionError(f"no field of an event stream: {line!r}")
        return None


class EventStream:
    """One watcher; iterates over events until the server ends the stream. Comments alone do not keep it waiting."""

    def __init__(self, server, path, last_id=None):
        self.parser = EventParser()
        self.last_id = last_id  # of what was handed on; the parser may be ahead
        self._events = []
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=harness.PATIENCE)
        headers = {"Accept": "text/event-stream"}
        if last_id is not None:
            headers["Last-Event-ID"] = last_id
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers

    def __iter__(self):
        return self

    def __next__(self):
        give_up = time.monotonic() + harness.PATIENCE
        while not self._events:
            assert time.monotonic() < give_up, f"no event came after {self.last_id}"
            data = self.answer.read1(65536)
            if not data:
                self.close()
                raise StopIteration
            self._events = self.parser.feed(data)
        event = self._events.pop(0)
        self.last_id = event.id
        return event

    def until(self, name):
        """The events up to the first of that name, which is the last of them."""
        seen = []
        for event in self:
            seen.append(event)
            if event.name == name:
                return seen
        raise AssertionError(f"the stream ended without {name}: {[event.name for event in seen]}")

    def close(self):
        self._connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def watch(server, job, last_id=None):
    return EventStream(server, f"/jobs/{job}/events", last_id)


class Swarm:
    """Thousands of watchers in one thread, who read all that comes and keep nothing of it."""

    def __init__(self, port, path, count):
        self.count = count
        self.bytes_read, self.begun, self.ended, self.closed = 0, 0, 0, 0
        self._changed = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._stopping = False
        # 1.0: the body comes as it is, and ends with the connection.
        request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        for _ in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE)
            connection.sendall(request)
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, _Seen())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while self._selector.get_map() and not self._stopping:
            for key, _ in self._selector.select(1.0):
                self._take(key.fileobj, key.data)
            with self._changed:
                self._changed.notify_all()

    def _take(self, connection, seen):
        try:
            data = connection.recv(1 << 18)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed += 1
            self._selector.unregister(connection)
            connection.close()
            return
        self.bytes_read += len(data)
        text = seen.tail + data
        seen.tail = text[-16:]
        if not seen.begun and b"\nevent: snapshot\n" in text:
            seen.begun = True
            self.begun += 1
        if not seen.ended and b"\nevent: end\n" in text:
            seen.ended = True
            self.ended += 1

    def wait_until(self, look, what):
        with self._changed:
            if not self._changed.wait_for(lambda: look(self), harness.PATIENCE):
                raise AssertionError(f"{what} did not come: {self.begun} begun, {self.ended} ended of {self.count}")

    def close(self):
        self._stopping = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Seen:
    __slots__ = ("tail", "begun", "ended")

    def __init__(self):
        self.tail, self.begun, self.ended = b"", False, False


class Unread:
    """Watchers who ask and never read, with as little room as the system lets them have."""

    def __init__(self, port, path, count):
        request = f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.server_port, self.connections = port, []
        for _ in range(count):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            # Small segments: the other side's buffer is sized by them.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
            connection.settimeout(harness.PATIENCE)
            connection.connect(("127.0.0.1", port))
            connection.sendall(request)
            self.connections.append(connection)
        self._ports = {connection.getsockname()[1] for connection in self.connections}

    def waiting_bytes(self):
        """Of each connection that the server cannot send on: what lies in the server's buffer."""
        waiting = {}
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in list(table)[1:]:
                fields = line.split()
                here, there = (int(address.split(":")[1], 16) for address in fields[1:3])
                if here == self.server_port and there in self._ports:
                    queued, timer = int(fields[4].split(":")[0], 16), int(fields[5].split(":")[0], 16)
                    if queued and timer == 4:  # it probes a window of zero
                        waiting[there] = queued
        return waiting

    def close(self):
        for connection in self.connections:
            connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
