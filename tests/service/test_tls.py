"""https from outside: Python's ssl, OpenSSL's own client, and our command line."""

import re
import signal
import socket
import ssl
import subprocess

import pytest

import harness
from test_process import complaint, run

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


def make_certificate(folder, name):
    """A self-signed certificate for 127.0.0.1 and its key, as docs/operations.md makes them."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )
    return certificate, key


@pytest.fixture
def certificate(folder):
    return make_certificate(folder, "one")


@pytest.fixture
def serve_tls(serve, certificate):
    def start(sim=None, **settings):
        return serve(sim, BETEDGE_TLS_CERT=certificate[0], BETEDGE_TLS_KEY=certificate[1], **settings)

    return start


def shake_hands(server, context):
    with socket.create_connection(("127.0.0.1", server.port), timeout=harness.PATIENCE) as raw:
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            return connection.version(), connection.selected_alpn_protocol(), connection.getpeercert(binary_form=True)


def anybody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_a_job_from_submit_to_end_over_https(simulate, serve_tls):
    server = serve_tls(simulate())
    assert server.out == [f"betedge {server.version} listening on https://127.0.0.1:{server.port}"]
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert ended["status"] == "completed"
    assert len(server.client.items(job)) == 5
    assert server.stop() == 0


def test_a_connection_is_kept_and_head_has_no_body(serve_tls):
    server = serve_tls()
    connection = server.client._connection()
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, "/health")
        answer = connection.getresponse()
        assert answer.status == 200
        body = answer.read()
        assert (body == b"") == (method == "HEAD")
    first = connection.sock
    connection.request("GET", "/health")
    assert connection.getresponse().read() and connection.sock is first
    connection.close()


def test_the_newest_version_and_http_1_1_are_chosen(serve_tls):
    server = serve_tls()
    context = anybody()
    context.set_alpn_protocols(["h2", "http/1.1"])
    version, protocol, _ = shake_hands(server, context)
    assert (version, protocol) == ("TLSv1.3", "http/1.1")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert shake_hands(server, context)[0] == "TLSv1.2"


@pytest.mark.parametrize("flag, is_spoken", [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_tls_before_1_2_is_refused_and_said_so(serve_tls, flag, is_spoken):
    server = serve_tls()
    said = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", flag, "-cipher", "DEFAULT:@SECLEVEL=0"],
        input="", capture_output=True, text=True, timeout=harness.PATIENCE,
    )
    assert (said.returncode == 0) == is_spoken, said.stderr
    if not is_spoken:
        assert "alert protocol version" in said.stderr
        failed = server.wait_event("handshake_failed", error="unsupported protocol")
        assert failed["peer"].startswith("127.0.0.1:")
    assert server.client.get("/health").status == 200


def test_plain_http_is_told_to_use_https(serve_tls):
    server = serve_tls()
    answer = harness.Client(server.port).get("/health")
    assert answer.status == 400
    assert "use https:// here" in answer.json()["detail"]


def test_tls_to_a_plain_server_is_told_at_once(serve):
    server = serve()
    with pytest.raises(ssl.SSLError):
        shake_hands(server, anybody())
    with socket.create_connection(("127.0.0.1", server.port), timeout=harness.PATIENCE) as raw:
        raw.sendall(b"\x16\x03\x01\x00\xf4\x01")
        assert b"use http:// here" in raw.makefile("rb").read()


def test_sighup_takes_a_renewed_certificate_and_keeps_the_old_for_a_bad_one(folder, serve_tls, certificate):
    server = serve_tls()
    one = shake_hands(server, anybody())[2]
    make_certificate(folder, "two")
    server.signal(signal.SIGHUP)
    assert server.wait_event("certificate_reloaded")["certificate"] == str(certificate[0])
    two = shake_hands(server, anybody())[2]
    assert one != two
    certificate[1].write_text("hello")
    server.signal(signal.SIGHUP)
    refused = server.wait_event("certificate_not_reloaded")
    assert f"the key {certificate[1]} has no private key in PEM form" in refused["error"]
    assert shake_hands(server, anybody())[2] == two
    assert server.client.get("/health").status == 200
    assert server.stop() == 0


def test_files_that_cannot_be_used_are_one_sentence(folder, certificate):
    start = ["serve", "--listen", "127.0.0.1:0", "--lake", "lake", "--store", ":memory:"]
    result = run(*start, "--tls-cert", "absent.pem", "--tls-key", "key.pem", folder=folder)
    assert result.returncode == 1
    assert complaint(result) == "the certificate absent.pem cannot be read: No such file or directory"
    result = run(*start, "--tls-cert", "cert.pem", "--tls-key", "cert.pem", folder=folder)
    assert result.returncode == 1
    assert complaint(result).startswith("the key cert.pem has no private key in PEM form")
    result = run(*start, "--tls-cert", "cert.pem", folder=folder)
    assert result.returncode == 2
    assert complaint(result) == "tls.cert is set (from --tls-cert) without tls.key: https needs both, http neither"


def test_the_command_line_verifies_the_server(folder, serve_tls, certificate):
    server = serve_tls()
    url = f"https://127.0.0.1:{server.port}"
    trusted = run("jobs", folder=folder, BETEDGE_URL=url, BETEDGE_CA_FILE=str(certificate[0]))
    assert trusted.returncode == 0, trusted.stderr
    untrusted = run("jobs", "--url", url, folder=folder)
    assert untrusted.returncode == 5
    assert "is not trusted: self-signed certificate" in untrusted.stderr and "BETEDGE_CA_FILE" in untrusted.stderr
    absent = run("jobs", "--url", url, folder=folder, BETEDGE_CA_FILE="absent.pem")
    assert absent.returncode == 2
    assert re.fullmatch(r"betedge: the file of certificate authorities absent\.pem cannot be read: .*; BETEDGE_CA_FILE names it\n",
                        absent.stderr)


def test_many_connections_are_not_stopped_by_the_low_limit_of_descriptors(serve):
    """The soft limit is raised to the hard one, and half of that is for connections."""
    import resource

    server = serve(preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 400)))
    assert resource.prlimit(server.popen.pid, resource.RLIMIT_NOFILE) == (400, 400)
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=harness.PATIENCE) for _ in range(300)]
    try:
        assert server.client.get("/health").status == 200
        idle[0].settimeout(harness.PATIENCE)
        assert idle[0].recv(1) == b"", "the one that was idle for longest gave its place"
    finally:
        for connection in idle:
            connection.close()
