"""An S3 server (moto) on a free port of loopback, for the object store's contract.

Unlike moto alone it is strict: every request's Signature Version 4 is computed again by botocore from
the raw request line, and the body's digest must be the one signed. Prints one JSON line when it is
ready: its endpoint, and one pair of keys that may do all and one that may do nothing. Ends when its
standard input does, so it cannot outlive the test. With an argument, "versitygw" or "minio", that server
instead of moto.
"""

import hashlib
import io
import json
import logging
import pathlib
import re
import sys
import tempfile
import threading

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

MAY_ALL = {"access_key": "AKIDMAYALL", "secret_key": "secret+of/may-all"}
MAY_NOTHING = {"access_key": "AKIDMAYNOTHING", "secret_key": "secret+of/may-nothing"}
SECRETS = {pair["access_key"]: pair["secret_key"] for pair in (MAY_ALL, MAY_NOTHING)}
AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


class Strict:
    def __init__(self, app):
        self.app = app
        self.one_at_a_time = threading.Lock()

    def __call__(self, environ, start_response):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        code = self.fault(environ, body)
        if code is None:
            with self.one_at_a_time:  # moto's objects do not bear several writers
                return list(self.app(environ, start_response))
        text = f"<Error><Code>{code}</Code><Message>refused by the test</Message></Error>".encode()
        status = "400 Bad Request" if code == "XAmzContentSHA256Mismatch" else "403 Forbidden"
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))]
        start_response(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]

    @staticmethod
    def fault(environ, body):
        def header(name):
            variable = name.upper().replace("-", "_")
            plain = environ.get(variable) if name in ("content-type", "content-length") else None
            return plain if plain is not None else environ.get("HTTP_" + variable, "")

        found = AUTHORIZATION.fullmatch(header("authorization"))
        if found is None:
            return "AccessDenied"
        access_key, _, region, names, signature = found.groups()
        if access_key not in SECRETS:
            return "InvalidAccessKeyId"
        if "host" not in names.split(";") or "x-amz-content-sha256" not in names.split(";"):
            return "AccessDenied"
        request = AWSRequest(
            method=environ["REQUEST_METHOD"],
            url=f"http://{header('host')}{environ['RAW_URI']}",
            headers={name: header(name) for name in names.split(";")},
        )
        request.context["timestamp"] = header("x-amz-date")
        auth = S3SigV4Auth(Credentials(access_key, SECRETS[access_key]), "s3", region)
        to_sign = auth.string_to_sign(request, auth.canonical_request(request))
        if auth.signature(to_sign, request) != signature:
            return "SignatureDoesNotMatch"
        if hashlib.sha256(body).hexdigest() != header("x-amz-content-sha256"):
            return "XAmzContentSHA256Mismatch"
        if access_key == MAY_NOTHING["access_key"]:
            return "AccessDenied"
        return None


def another(kind):
    """One of the servers that tools/s3-servers builds, instead of moto."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "service"))
    import s3_servers

    server = s3_servers.S3Server(kind, tempfile.mkdtemp(prefix="betedge-s3-"))
    keys = {"access_key": server.access_key, "secret_key": server.secret_key}
    print(json.dumps({"endpoint": server.endpoint, "may_all": keys, "may_nothing": MAY_NOTHING}), flush=True)
    sys.stdin.read()
    server.stop()


def main():
    if len(sys.argv) > 1:
        return another(sys.argv[1])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Strict(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    ready = {"endpoint": endpoint, "may_all": MAY_ALL, "may_nothing": MAY_NOTHING}

    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps(ready), flush=True)
    sys.stdin.read()
    server.shutdown()


main()
