"""A proxy in front of an S3 server that does to chosen requests what networks and servers do.

Requests are sent on byte by byte as they came, signature and Host included. What happens to one is
decided by the first rule that fits it, and told in `log`.
"""

import http.client
import http.server
import re
import socket
import threading


class Rule:
    def __init__(self, do, method, where, skip, times):
        self.do, self.method, self.where = do, method, re.compile(where)
        self.skip, self.times = skip, times


class Proxy(http.server.ThreadingHTTPServer):
    """`proxy.on("answer 503", method="PUT", times=3)`. What can be done:

    answer NNN      not sent on; answered so
    slow down N     not sent on; 503 SlowDown with Retry-After: N
    cut             not sent on; the connection is closed after half of the body has come
    lose            sent on, and the connection is closed with the answer's first line (without it, a client
                    may take the connection for one that was dead before, and send it all again unasked)
    hold            sent on, and the answer held until the client has hung up
    a function      called with half of the body on its way to the server; what follows is what comes of it
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port):
        self.upstream_port = port
        self.rules, self.log, self.lock = [], [], threading.Lock()
        self.let_go = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def on(self, do, method=".*", where="", skip=0, times=1):
        """From the `skip`-th fitting request on, `times` of them; `where` is looked for in path and query."""
        rule = Rule(do, method, where, skip, times)
        with self.lock:
            self.rules.append(rule)
        return rule

    def decide(self, method, path):
        with self.lock:
            for rule in self.rules:
                if not re.fullmatch(rule.method, method) or not rule.where.search(path):
                    continue
                if rule.skip > 0:
                    rule.skip -= 1
                    continue
                if rule.times > 0:
                    rule.times -= 1
                    self.log.append((rule.do if isinstance(rule.do, str) else rule.do.__name__, method, path))
                    return rule.do
            return None

    def done(self, rule):
        """Whether it has happened as often as was asked for."""
        with self.lock:
            return rule.times == 0

    def stop(self):
        self.let_go.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_):
        pass  # connections that were cut are no news here


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_request(self):
        do = self.server.decide(self.command, self.path)
        length = int(self.headers.get("Content-Length") or 0)
        if do == "cut":
            self.rfile.read(length // 2)
            return self.hang_up()
        body = self.rfile.read(length)
        if isinstance(do, str) and do.startswith(("answer ", "slow down ")):
            status = int(do.split()[-1]) if do.startswith("answer") else 503
            code = "InternalError" if status == 500 else "SlowDown"
            text = f"<Error><Code>{code}</Code></Error>".encode()
            self.send_response_only(status)
            if do.startswith("slow"):
                self.send_header("Retry-After", do.split()[-1])
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            return self.wfile.write(b"" if self.command == "HEAD" else text)
        try:
            upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "connection":
                    upstream.putheader(name, value)
            upstream.endheaders()
            if callable(do):
                upstream.send(body[: len(body) // 2])
                do()
                body = body[len(body) // 2 :]
            upstream.send(body)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
        except (OSError, http.client.HTTPException):
            return self.hang_up()
        if do == "lose":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            return self.hang_up()
        if do == "hold":
            self.wait_for_hang_up()
            return self.hang_up()
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(content))
        if length is not None and answer.status != 204:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request

    def wait_for_hang_up(self):
        self.connection.settimeout(0.1)
        while not self.server.let_go.is_set():
            try:
                if self.connection.recv(1) == b"":
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def hang_up(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def log_message(self, *_):
        pass
