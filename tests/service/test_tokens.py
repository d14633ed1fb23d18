"""Who may ask: tokens, scopes, logins, hosts and origins, at the real binary."""

import os
import re
import signal
import subprocess

import pytest

import harness

DAY = {"root": "AAPL", "start_date": "20240102", "end_date": "20240102", "schema": "ohlc"}


def run(*arguments, folder, **environment):
    return subprocess.run(
        [harness.BINARY, *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE,
    )


def make_token(folder, name, scope):
    made = run("token", name, "--scope", scope, "--file", "tokens", folder=folder)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def tokens(folder):
    return {scope: make_token(folder, f"{scope}-er", scope) for scope in ("read", "submit", "admin")}


@pytest.fixture
def guarded(folder, tokens, simulate, serve):
    return serve(simulate(), BETEDGE_TOKENS=folder / "tokens")


def test_a_server_with_tokens_asks_for_them(guarded, tokens):
    client = guarded.client
    assert client.get("/health").status == 200
    missing = client.get("/jobs")
    assert (missing.status, missing.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert list(missing.json())[0] == "detail" and missing.json()["code"] == "unauthorized"
    wrong = client.get("/jobs", headers=bearer("betedge_guess"))
    assert wrong.status == 401 and wrong.headers["WWW-Authenticate"].startswith("Bearer ")
    assert client.get("/jobs", headers=bearer(tokens["read"])).status == 200
    refused = client.post("/historical/stock", DAY, headers=bearer(tokens["read"]))
    assert refused.status == 403 and "submit" in refused.json()["detail"]
    for scope in ("submit", "admin"):
        accepted = client.post("/historical/stock", DAY, headers=bearer(tokens[scope]))
        assert accepted.status == 202, accepted
        guarded.wait_event("request_received", path="/historical/stock", status="202", client=f"{scope}-er")
    assert not any(token in line for token in tokens.values() for line in guarded.log)


def test_the_token_file_holds_no_token_and_is_ones_own(folder, tokens):
    text = (folder / "tokens").read_text()
    assert len(text.splitlines()) == 3
    assert not any(token in text for token in tokens.values())
    assert os.stat(folder / "tokens").st_mode & 0o777 == 0o600


def test_the_command_line_ends_with_4_when_it_may_not(folder, guarded, tokens):
    url = {"BETEDGE_URL": f"http://127.0.0.1:{guarded.port}"}
    for token in ({}, {"BETEDGE_TOKEN": "betedge_guess"}):  # 401
        for command in (["jobs"], ["stock", "AAPL", "2024-01-02"], ["wait", "01912345-6789-7abc-8def-0123456789ab"]):
            refused = run(*command, folder=folder, **url, **token)
            assert refused.returncode == 4, (command, refused.stderr)
            assert "BETEDGE_TOKEN" in refused.stderr and "betedge_guess" not in refused.stderr
    refused = run("stock", "AAPL", "2024-01-02", folder=folder, **url, BETEDGE_TOKEN=tokens["read"])  # 403
    assert refused.returncode == 4 and "submit" in refused.stderr
    assert run("jobs", folder=folder, **url, BETEDGE_TOKEN=tokens["read"]).returncode == 0
    done = run("stock", "AAPL", "2024-01-02", "--schema", "ohlc", "--wait", folder=folder, **url, BETEDGE_TOKEN=tokens["submit"])
    assert done.returncode == 0, done.stderr
    assert run("jobs", "--token", "x", folder=folder, **url).returncode == 2, "a flag is everybody's to read"


def test_a_reload_takes_tokens_in_and_away(folder, guarded, tokens):
    new = make_token(folder, "read-er", "read")  # a second one of that name
    assert guarded.client.get("/jobs", headers=bearer(new)).status == 401
    guarded.signal(signal.SIGHUP)
    guarded.wait_event("settings_reloaded", changed="tokens")
    for token in (new, tokens["read"]):
        assert guarded.client.get("/jobs", headers=bearer(token)).status == 200
    lines = (folder / "tokens").read_text().splitlines()
    (folder / "tokens").write_text("\n".join(lines[1:]) + "\n")
    guarded.signal(signal.SIGHUP)
    guarded.wait_event("settings_reloaded", count=2)
    assert guarded.client.get("/jobs", headers=bearer(tokens["read"])).status == 401
    assert guarded.client.get("/jobs", headers=bearer(new)).status == 200


def test_a_bad_token_file_changes_nothing_while_it_runs(folder, guarded, tokens):
    with (folder / "tokens").open("a") as file:
        file.write("eve everything\n")
    guarded.signal(signal.SIGHUP)
    rejected = guarded.wait_event("settings_rejected")
    assert "tokens line 4: must be a name" in rejected["error"]
    assert guarded.client.get("/jobs", headers=bearer(tokens["read"])).status == 200
    assert guarded.client.get("/jobs").status == 401
    assert guarded.stop() == 0


def test_a_bad_token_file_is_one_sentence_at_the_start(folder):
    result = run("serve", "--tokens", "none", folder=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "betedge: the token file none cannot be read: No such file or directory\n"


def test_a_token_file_for_everybody_is_warned_of(folder, tokens, serve):
    (folder / "tokens").chmod(0o644)
    server = serve(BETEDGE_TOKENS=folder / "tokens")
    assert "chmod 600" in server.wait_event("tokens_exposed")["message"]


# An address that is not taken for loopback, and is: nothing under test can be reached from elsewhere.
ELSEWHERE = "[::ffff:127.0.0.1]:0"
READY_ELSEWHERE = r"listening on http://\[::ffff:127\.0\.0\.1\]:(\d+)$"


def test_with_tokens_it_listens_beyond_this_machine(folder, tokens, processes):
    server = harness.Process(
        ["serve", "--listen", ELSEWHERE, "--tokens", "tokens", "--lake", "lake"], folder,
        {"HOME": str(folder)}, ready=READY_ELSEWHERE)
    processes.append(server)
    client = harness.Client(int(server.ready_line[1]))
    assert client.get("/jobs").status == 401
    assert client.get("/jobs", headers=bearer(tokens["read"])).status == 200


def test_a_reload_does_not_open_a_server_to_everybody(folder, tokens, processes):
    """Settings that would be right for loopback are not, for the address that is in use."""
    file = folder / "betedge.toml"
    file.write_text(f"listen = '{ELSEWHERE}'\ntokens = 'tokens'\nlake.url = 'lake'\n")
    server = harness.Process(["serve"], folder, {"HOME": str(folder)}, ready=READY_ELSEWHERE)
    processes.append(server)
    client = harness.Client(int(server.ready_line[1]))
    file.write_text("listen = '127.0.0.1:0'\nlake.url = 'lake'\n")
    server.signal(signal.SIGHUP)
    assert f"{ELSEWHERE} without tokens" in server.wait_event("settings_rejected")["error"]
    assert client.get("/jobs").status == 401


def login(client, token, headers=None):
    return client.request("POST", "/login", f"token={token}",
                          {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})})


def test_a_browser_logs_in_and_out(guarded, tokens):
    client = guarded.client
    ours = {"Origin": f"http://127.0.0.1:{guarded.port}"}
    page = client.get("/login")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "<script" not in page.text
    answer = login(client, tokens["submit"], ours)
    assert (answer.status, answer.headers["Location"]) == (303, "/ui")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert re.fullmatch(r"betedge_session=[\w-]{43}", cookie)
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"}
    with_cookie = {"Cookie": cookie}
    assert client.get("/jobs", headers=with_cookie).status == 200
    assert client.post("/historical/stock", DAY, headers=with_cookie).status == 403
    assert client.post("/historical/stock", DAY, headers={**with_cookie, "Origin": "http://127.0.0.1:1"}).status == 403
    assert client.post("/historical/stock", DAY, headers={**with_cookie, **ours}).status == 202
    guarded.wait_event("login", client="submit-er")
    assert client.request("POST", "/logout", headers={**with_cookie, **ours}).status == 204
    assert client.get("/jobs", headers=with_cookie).status == 401


def test_a_session_ends_with_its_token(folder, guarded, tokens):
    answer = login(guarded.client, tokens["read"])
    cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
    assert guarded.client.get("/jobs", headers=cookie).status == 200
    lines = (folder / "tokens").read_text().splitlines()
    (folder / "tokens").write_text("\n".join(lines[1:]) + "\n")
    guarded.signal(signal.SIGHUP)
    guarded.wait_event("settings_reloaded")
    assert guarded.client.get("/jobs", headers=cookie).status == 401


def test_failed_logins_are_slowed_and_counted(guarded, tokens):
    def counted():
        return harness.Scrape(guarded, bearer(tokens["read"]))("betedge_failed_logins_total")

    assert counted() == 0
    for count in (1, 2, 3):
        assert login(guarded.client, "guess").status == 401
        guarded.wait_event("login_failed", count=count)
    # A slow machine may have waited out the first second; each further failure doubles it.
    statuses = [login(guarded.client, "guess") for _ in range(8)]
    slowed = [answer for answer in statuses if answer.status == 429]
    assert slowed and all(int(answer.headers["Retry-After"]) >= 1 for answer in slowed)
    assert counted() == 3 + len(statuses) - len(slowed), "who is only told to wait has not failed again"
    assert guarded.client.get("/jobs", headers=bearer(tokens["read"])).status == 200, "a token is no guess"


@pytest.mark.parametrize("headers, status", [
    ({}, 202),
    ({"Origin": "https://evil.example"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Host": "evil.example"}, 421),
    ({"Host": "localhost"}, 202),
    ({"Host": "lake.example:80"}, 202),
])
def test_a_page_cannot_drive_a_server_on_its_readers_machine(serve, headers, status):
    server = serve(BETEDGE_SERVER_ALLOWED_HOSTS="lake.example")
    answer = server.client.post("/historical/stock", DAY, headers=headers)
    assert answer.status == status, answer
    assert len(server.client.get("/jobs").json()["jobs"]) == (1 if status == 202 else 0)


def test_a_name_that_was_made_to_point_here_reads_nothing(serve):
    server = serve()
    for path in ("/", "/jobs", "/health", "/login", "/nope"):
        answer = server.client.get(path, headers={"Host": f"evil.example:{server.port}"})
        assert answer.status == 421 and "server.allowed_hosts" in answer.json()["detail"]


def test_a_client_can_name_itself(serve):
    server = serve()
    assert server.client.get("/nope", headers={"X-Client-Id": "loader 7"}).status == 404
    assert server.wait_event("request_received", path="/nope")["client"] == "loader 7"
    assert server.client.get("/jobs", headers={"X-Client-Id": "x" * 65}).status == 400
