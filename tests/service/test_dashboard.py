"""The dashboard in a real browser: Debian's Chromium, driven by Playwright, against the real server.

Every test also holds that nothing is asked of anybody else, that the content security policy is kept, and that no script
fails. BETEDGE_SCREENSHOTS names a folder for the pictures of docs/images; without it they go into the test's own.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from harness import BINARY, missing

CHROMIUM = "/usr/bin/chromium"
# As root, and without a word to anybody: a browser looks for updates, certificates and much else by itself.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--font-render-hinting=none"]
PAGES = ["/ui", "/ui/jobs", "/ui/submit", "/ui/activity"]
JANUARY = {"start_date": "20240102", "end_date": "20240131"}
# The browser's own word for a request that it could not make: the server was away on purpose.
AWAY = re.compile(r"net::ERR_|Failed to load resource|Failed to fetch dynamically imported module")


@pytest.fixture(scope="session")
def chromium():
    if not os.access(CHROMIUM, os.X_OK):
        missing("no browser: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        api.expect.set_options(timeout=20_000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """Opens a page of a server: visit(server, "/ui/jobs"). What is wrong with it shows at the end, but for what is expected."""
    opened = []

    def go(server, path="/ui", width=1280, height=800, expected=None, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, base_url=f"http://127.0.0.1:{server.port}", timezone_id="America/New_York", **options)
        page = context.new_page()
        page.set_default_timeout(20_000)
        wrong, asked = [], []
        page.on("console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") and said.text != expected and not AWAY.search(said.text) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        opened.append((context, page, wrong, asked, server.port))
        page.goto(path)
        return page

    yield go
    for context, _page, wrong, asked, port in opened:
        context.close()
        assert not wrong
        assert [url for url in asked if not url.startswith((f"http://127.0.0.1:{port}/", "data:", "blob:"))] == []


@pytest.fixture
def expect(chromium):
    from playwright.sync_api import expect

    return expect


def filled(server, kind="option", **members):
    """A job that has ended."""
    defaults = {"root": "AAPL", "schema": "eod" if kind == "stock" else "quote", **JANUARY}
    return server.wait_job(server.client.submit(kind, **(defaults | members)))


@pytest.fixture
def lake(simulate, serve):
    """A simulator, and a server whose lake has AAPL's January 2024 but for the 10th to the 12th, and a failed 19th."""
    sim = simulate("--contracts", "AAPL=5")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    filled(server, end_date="20240109")
    filled(server, start_date="20240116", end_date="20240118")
    sim.faults("473@date=20240119")
    filled(server, start_date="20240119", end_date="20240119")
    sim.faults()
    filled(server, start_date="20240122", end_date="20240131")
    return sim, server


def cell(page, date):
    return page.locator(f".calendar [data-date='{date}']")


# --- what it weighs, and whom it asks ---------------------------------------------------------------


def test_all_of_it_is_under_150_kilobytes_and_kept(visit, serve, expect):
    server = serve()
    page = visit(server, "about:blank")
    ended = []
    page.on("requestfinished", lambda request: ended.append(request))
    page.goto("/ui")
    expect(page.get_by_role("heading", name="Coverage")).to_be_visible()
    sizes = [request.sizes() for request in ended if "/ui" in request.url]
    assert 10 <= len(sizes) <= 20
    assert sum(size["responseHeadersSize"] + size["responseBodySize"] for size in sizes) < 150_000
    # The second time the files come out of the browser's own store.
    again = []
    page.on("requestfinished", lambda request: again.append(request))
    page.reload()
    expect(page.get_by_role("heading", name="Coverage")).to_be_visible()
    files = [request.sizes()["responseBodySize"] for request in again if "/ui/files/" in request.url]
    assert len(files) >= 10 and max(files) <= 0


@pytest.mark.parametrize(("path", "drawn"), [("/ui", ".calendar"), ("/ui/jobs", ".job"), ("/ui/jobs/ID", ".item-field i"), ("/ui/submit", "form"), ("/ui/activity", ".charts")])
def test_what_an_audit_of_the_page_looks_at(visit, lake, expect, path, drawn):
    """What Lighthouse marks down and axe does not look at: the head, what holds the first paint up, what moves."""
    _sim, server = lake
    page = visit(server, "about:blank")
    # Recorded from the first frame on: everything that moves though nobody has touched anything.
    page.add_init_script("new PerformanceObserver((list) => { window.moved = (window.moved ?? []).concat(list.getEntries()); }).observe({type: 'layout-shift', buffered: true});")
    answers = {}
    page.on("response", lambda answer: answers.setdefault(answer.url.split("?")[0], answer))
    page.goto(path.replace("ID", server.client.get("/jobs").json()["jobs"][0]["job_id"]))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(drawn).first).to_be_visible()
    found = page.evaluate("""() => ({
      doctype: document.doctype?.name, charset: document.characterSet, lang: document.documentElement.lang, title: document.title,
      description: document.querySelector('meta[name=description]')?.content, viewport: document.querySelector('meta[name=viewport]')?.content,
      blocking: performance.getEntriesByType('resource').filter((one) => one.renderBlockingStatus === 'blocking').map((one) => one.name.split('/').at(-1)).sort(),
      moved: (window.moved ?? []).reduce((sum, one) => sum + one.value, 0), elements: document.querySelectorAll('*').length,
      headings: [...document.querySelectorAll('h1, h2, h3')].map((one) => +one.tagName[1]),
      links: [...document.querySelectorAll('a')].map((one) => one.textContent.trim() || one.ariaLabel),
    })""")
    assert (found["doctype"], found["charset"], found["lang"]) == ("html", "UTF-8", "en")
    assert found["title"].endswith(" · betedge") and 50 < len(found["description"]) < 160 and "user-scalable" not in found["viewport"]
    assert found["blocking"] == ["start.js", "style.css"]  # no module is among them (ADR 0016)
    assert found["moved"] < 0.1
    assert found["elements"] < 1500
    assert found["headings"][0] == 1 and found["headings"].count(1) == 1
    assert all(later - before <= 1 for before, later in zip(found["headings"], found["headings"][1:], strict=False))
    assert all(found["links"])
    for url, answer in answers.items():
        assert answer.status < 400, url
        if "/ui" in url:
            assert answer.headers["content-encoding"] == "gzip" and answer.headers["x-content-type-options"] == "nosniff", url


def test_the_page_begins_in_a_tab_that_paints_nothing(visit, serve, expect):
    """A tab in the background draws no frame, which is what the modules wait for."""
    page = visit(serve(), "about:blank")
    page.add_init_script("window.requestAnimationFrame = () => 0;")
    page.goto("/ui")
    expect(page.get_by_role("heading", name="Coverage")).to_be_visible()


def test_a_dashboard_that_did_not_come_whole_says_so(visit, serve, expect):
    page = visit(serve(), "about:blank")
    page.route("**/app.js", lambda route: route.abort())
    page.goto("/ui")
    expect(page.get_by_text("The dashboard cannot begin: the server did not send all of it")).to_be_visible()


def test_a_module_that_fails_says_so_and_is_heard(visit, serve, expect):
    page = visit(serve(), "about:blank", expected="Error: of its own")
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.route("**/app.js", lambda route: route.fulfill(content_type="text/javascript", body="const problem = new Error('of its own'); problem.stack = 'Error: of its own'; throw problem;"))
    page.goto("/ui")
    expect(page.get_by_text("The dashboard cannot begin")).to_be_visible()
    assert "Error: of its own" in said


def test_the_policy_forbids_what_is_inline(visit, serve, expect):
    page = visit(serve(), expected="This document requires 'TrustedHTML' assignment. The action has been blocked.")
    expect(page.get_by_role("heading", name="Coverage")).to_be_visible()
    tried = page.evaluate("""() => {
      const said = [];
      addEventListener('securitypolicyviolation', (event) => said.push(event.effectiveDirective));
      try { document.body.insertAdjacentHTML('beforeend', '<img src="x">'); } catch (error) { said.push(error.name); }
      return said;
    }""")
    assert tried == ["TypeError"]
    policy = page.request.get("/ui").headers["content-security-policy"]
    assert "'unsafe-inline'" not in policy
    assert policy.startswith("default-src 'none'")


# --- coverage ---------------------------------------------------------------------------------------


def test_an_empty_lake_says_what_to_do(visit, serve, expect):
    page = visit(serve())
    expect(page.get_by_role("heading", name="Nothing lies in the lake yet")).to_be_visible()
    page.get_by_role("link", name="Submit a first request").click()
    expect(page).to_have_url(re.compile("/ui/submit$"))


def test_the_calendar_shows_each_session_and_a_gap_is_filled_from_it(visit, lake, expect):
    _sim, server = lake
    page = visit(server, "/ui?year=2024")
    expect(cell(page, "20240105")).to_have_attribute("data-state", "present")
    expect(cell(page, "20240110")).to_have_attribute("data-state", "missing")
    expect(cell(page, "20240119")).to_have_attribute("data-state", "failed")
    assert cell(page, "20240106").count() == 0  # a Saturday
    assert cell(page, "20240115").count() == 0  # a holiday
    expect(cell(page, "20240119")).to_have_attribute("aria-label", re.compile(r"^Fri 19 Jan 2024: failed"))

    cell(page, "20240111").click()
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_role("heading", name="Thu 11 Jan 2024")).to_be_visible()
    # Its gap is the first choice: three sessions.
    expect(sheet.get_by_label(re.compile(r"^This gap: 10 – 12 Jan 2024, 3 sessions"))).to_be_checked()
    download = sheet.get_by_role("button", name="Download 3 objects")
    expect(download).to_be_enabled()
    download.click()
    expect(sheet.get_by_role("link", name="Open the job")).to_be_visible()
    expect(sheet.get_by_role("status")).to_contain_text("completed 3 of 3 objects")
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    for date in ("20240110", "20240111", "20240112"):
        expect(cell(page, date)).to_have_attribute("data-state", "present")
    assert cell(page, "20240119").get_attribute("data-state") == "failed"


def test_a_series_of_which_every_try_failed_has_a_calendar(visit, simulate, serve, expect):
    server = serve(simulate("--contracts", "AAPL=5", "--fault", "473"))
    filled(server, end_date="20240104")
    page = visit(server, "/ui")
    for date in ("20240102", "20240103", "20240104"):
        expect(cell(page, date)).to_have_attribute("data-state", "failed")


def test_all_gaps_of_a_year_are_one_choice(visit, lake, expect):
    _sim, server = lake
    page = visit(server, "/ui?year=2024")
    plan = page.get_by_role("button", name=re.compile(r"^Plan \d+ sessions$"))
    expect(plan).to_be_visible()
    plan.click()
    sheet = page.get_by_role("dialog")
    expect(sheet.get_by_label(re.compile("^All gaps of 2024"))).to_be_checked()
    expect(sheet.get_by_role("button", name=re.compile(r"^Download \d+ objects$"))).to_be_enabled()
    sheet.get_by_role("button", name="Close").click()
    expect(sheet).to_have_count(0)
    assert len(server.client.get("/jobs").json()["jobs"]) == 4  # nothing was submitted


def test_filters_and_the_year_are_in_the_address(visit, lake, expect):
    _sim, server = lake
    filled(server, "stock", root="MSFT", start_date="20230103", end_date="20231229")
    page = visit(server, "/ui?year=2024")
    expect(page.locator(".series")).to_have_count(2)
    page.get_by_label("Symbol").fill("msft")
    expect(page.locator(".series:visible")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"symbol=msft"))
    page.get_by_role("button", name="Year before").click()
    expect(page).to_have_url(re.compile(r"year=2023"))
    expect(cell(page, "20230301")).to_have_attribute("data-state", "present")
    page.reload()
    expect(page.locator(".series:visible")).to_have_count(1)
    expect(page.get_by_label("Symbol")).to_have_value("msft")
    page.get_by_label("With gaps only").check()
    expect(page.get_by_text("No series is like that")).to_be_visible()
    page.go_back()


def test_the_calendar_goes_by_keyboard(visit, lake, expect):
    _sim, server = lake
    page = visit(server, "/ui?year=2024")
    expect(cell(page, "20240105")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.locator(".calendar [tabindex='0']").focus()
    expect(cell(page, "20240110")).to_be_focused()  # the first gap
    page.keyboard.press("ArrowDown")
    expect(cell(page, "20240111")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(cell(page, "20240118")).to_be_focused()
    page.keyboard.press("n")
    expect(cell(page, "20240119")).to_be_focused()
    page.keyboard.press("Home")
    expect(cell(page, "20240102")).to_be_focused()
    page.keyboard.press("PageDown")
    expect(cell(page, "20240202")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cell(page, "20240202")).to_be_focused()


# --- submit -----------------------------------------------------------------------------------------


def test_a_request_is_planned_while_it_is_written_and_submitted_once(visit, lake, expect):
    _sim, server = lake
    page = visit(server, "/ui/submit")
    page.get_by_label("Symbols").fill("AAPL")
    page.get_by_label("From", exact=True).fill("2024-01-08")
    page.get_by_label("To", exact=True).fill("2024-01-12")
    plan = page.get_by_label("Plan")
    expect(plan.get_by_text("3 of 5 objects")).to_be_visible()
    submit = page.get_by_role("button", name="Submit: download 3 objects")
    submit.dblclick()
    expect(page).to_have_url(re.compile(r"/ui/jobs/[0-9a-f-]{36}$"))
    expect(page.get_by_role("status").filter(has_text="completed")).to_contain_text("5 of 5 objects")
    assert len(server.client.get("/jobs").json()["jobs"]) == 5


def test_each_fault_stands_beside_its_field(visit, serve, expect):
    page = visit(serve(), "/ui/submit?root=AAPL&start_date=20240110&end_date=20240105")
    expect(page.locator("#end_date")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#end_date-error")).not_to_be_empty()
    expect(page.get_by_role("button", name="Submit")).to_be_disabled()
    page.get_by_label("To", exact=True).fill("2024-01-12")
    expect(page.locator("#end_date")).not_to_have_attribute("aria-invalid", "true")
    page.get_by_label("Symbols").fill("no such/symbol")
    expect(page.locator("#root")).to_have_attribute("aria-invalid", "true")


# --- jobs -------------------------------------------------------------------------------------------


def test_a_job_is_seen_live_and_cancelled_after_a_question(visit, simulate, serve, expect):
    sim = simulate("--contracts", "AAPL=5", "--latency", "400ms")
    server = serve(sim)
    page = visit(server, "/ui/jobs")
    expect(page.get_by_text("No job has run yet")).to_be_visible()
    job = server.client.submit("option", root="AAPL", start_date="20240101", end_date="20241231", schema="quote")
    row = page.locator(".job")
    expect(row.get_by_role("link", name=re.compile("AAPL option quotes"))).to_be_visible()
    expect(row.locator(".figures-line")).to_contain_text(re.compile(r"^([1-9]|\d\d+)/252"))
    expect(page.locator("#active-jobs")).to_have_text("1 active")
    row.get_by_role("link").first.click()
    expect(page).to_have_url(re.compile(job))
    expect(page.locator(".item-field i[data-state=succeeded]").nth(3)).to_be_visible()
    expect(page.locator(".item-field i")).to_have_count(252)

    page.get_by_role("button", name="Cancel").click()
    question = page.get_by_role("dialog", name="Cancel this job?")
    question.get_by_role("button", name="Keep it running").click()
    expect(question).to_have_count(0)
    assert server.client.job(job)["state"] == "running"
    page.get_by_role("button", name="Cancel").click()
    question.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".job-state")).to_contain_text("cancelled")
    assert server.client.job(job)["state"] == "cancelled"


def test_what_failed_is_named_and_begun_anew(visit, lake, expect):
    sim, server = lake
    sim.faults("473@date=20240202")
    job = filled(server, start_date="20240201", end_date="20240205")["job_id"]
    page = visit(server, f"/ui/jobs/{job}")
    expect(page.locator(".notice.bad")).to_contain_text("20240202")
    page.get_by_role("link", name="Failed only (1)").click()
    expect(page).to_have_url(re.compile(r"\?show=failed$"))
    expect(page.locator(".failed-list li")).to_have_count(1)
    expect(page.locator(".failed-list li")).to_contain_text("2024/02/02/data.parquet")
    sim.faults()
    page.get_by_role("button", name="Retry 1 failed object").click()
    expect(page.locator(".job-state")).to_contain_text("completed 3 of 3 objects")
    expect(page.get_by_text("None has failed.")).to_be_visible()
    assert server.client.job(job)["items"]["failed"] == 0


def test_filters_of_jobs_are_in_the_address(visit, lake, expect):
    _sim, server = lake
    page = visit(server, "/ui/jobs")
    expect(page.locator(".job")).to_have_count(4)
    page.get_by_role("link", name=re.compile(r"^Failed")).click()
    expect(page).to_have_url(re.compile(r"state=failed"))
    expect(page.locator(".job")).to_have_count(1)
    page.go_back()
    expect(page.locator(".job")).to_have_count(4)
    page.get_by_label("Find").fill("no such thing")
    expect(page.get_by_text("No job is like that")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Find")).to_have_value("no such thing")


def test_objects_are_chosen_by_keyboard(visit, lake, expect):
    sim, server = lake
    sim.faults("473@date=20240205")
    job = filled(server, start_date="20240201", end_date="20240229")["job_id"]
    page = visit(server, f"/ui/jobs/{job}")
    grid = page.get_by_role("listbox")
    grid.focus()
    page.keyboard.press("f")
    expect(page.locator(".item-detail")).to_contain_text("2024/02/05/data.parquet")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".item-detail")).to_contain_text("2024/02/06/data.parquet")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the file").click()
    assert Path(saved.value.path()).read_bytes()[:4] == b"PAR1"


def test_thousands_of_objects_stay_few_elements(visit, simulate, serve, expect):
    server = serve(simulate("--latency", "30s"))
    roots = [f"S{letter}" for letter in "ABCDEFGHIJKL"]
    job = server.client.submit("option", roots=roots, start_date="20240101", end_date="20241231", schema="quote")
    page = visit(server, f"/ui/jobs/{job}", height=900)
    expect(page.locator(".item-field i").first).to_be_visible()
    expect(page.get_by_role("heading", name="Objects")).to_be_visible()
    expect(page.locator(".item-field i").first).to_have_attribute("aria-setsize", "3024")
    assert page.locator(".item-field i").count() < 2000
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    expect(page.locator("#item-3023")).to_be_visible()


# --- upstreams --------------------------------------------------------------------------------------


def test_the_limit_is_changed_and_the_slots_show_it(visit, simulate, serve, expect):
    server = serve(simulate("--latency", "20s"))
    server.client.submit("option", root="AAPL", schema="quote", **JANUARY)
    page = visit(server, "/ui/activity")
    theta = page.get_by_role("article", name="ThetaData")
    expect(theta.locator(".slots i")).to_have_count(4)
    expect(theta.get_by_text("4 of 4 in use")).to_be_visible()
    theta.get_by_label("Calls at once", exact=True).fill("7")
    theta.get_by_role("button", name="Change").click()
    expect(theta.locator(".slots i")).to_have_count(7)
    expect(theta.get_by_text("7 of 7 in use")).to_be_visible()
    (upstream,) = [one for one in server.client.get("/upstreams").json()["upstreams"] if one["name"] == "thetadata"]
    assert upstream["concurrency"] == 7


def test_throughput_is_drawn_from_the_servers_counters(visit, simulate, serve, expect):
    server = serve(simulate("--contracts", "AAPL=5", "--latency", "100ms"))
    page = visit(server, "/ui/activity")
    server.client.submit("option", root="AAPL", start_date="20240101", end_date="20241231", schema="quote")
    rows = page.locator(".chart").filter(has_text="rows per second")
    expect(rows.locator(".keys-of b")).to_have_text(re.compile(r"[1-9]"))
    expect(rows.locator("path.line")).to_have_attribute("d", re.compile(r"L"))
    rows.get_by_text("as a table").click()
    expect(rows.locator("tbody tr").first).to_be_visible()


# --- restarts and logins ----------------------------------------------------------------------------


def test_a_restart_of_the_server_is_seen_and_survived(visit, simulate, serve, expect):
    sim = simulate("--contracts", "AAPL=5", "--latency", "300ms")
    server = serve(sim)
    job = server.client.submit("option", root="AAPL", schema="quote", **JANUARY)
    page = visit(server, f"/ui/jobs/{job}")
    expect(page.locator(".item-field i[data-state=succeeded]").first).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    server.kill()
    expect(page.locator("#live")).to_have_text("reconnecting")
    serve(sim, BETEDGE_LISTEN=f"127.0.0.1:{server.port}")
    expect(page.locator("#live")).to_have_text("live")
    expect(page.locator(".job-state")).to_contain_text("completed 21 of 21 objects")


@pytest.fixture
def guarded(folder, simulate, serve):
    """A server that asks for tokens, and a token of each scope."""
    file = folder / "tokens"
    tokens = {scope: re.search(r"\S{30,}", subprocess.run([BINARY, "token", f"a-{scope}", "--scope", scope, "--file", file], capture_output=True, text=True, check=True).stdout)[0]
              for scope in ("read", "submit", "admin")}
    return serve(simulate("--contracts", "AAPL=5"), BETEDGE_TOKENS=file), tokens


def test_a_token_is_asked_for_and_taken(visit, guarded, expect):
    server, tokens = guarded
    page = visit(server)
    login = page.get_by_role("dialog", name="Log in")
    login.get_by_label("Token").fill("of nobody")
    login.get_by_role("button", name="Log in").click()
    expect(login.get_by_role("alert")).not_to_be_empty()
    # After a failed login the address waits a second.
    login.get_by_label("Token").fill(tokens["admin"])
    enter = login.get_by_role("button", name="Log in")
    for _ in range(5):
        if login.count() == 0:
            break
        expect(enter).to_be_enabled()
        enter.click()
        page.wait_for_timeout(700)
    expect(login).to_have_count(0)
    expect(page.get_by_role("heading", name="Nothing lies in the lake yet")).to_be_visible()
    expect(page.locator("#live")).to_have_text("live")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("dialog", name="Log in")).to_be_visible()


def test_who_may_only_read_is_offered_nothing_else(visit, guarded, expect):
    server, tokens = guarded
    page = visit(server, "/ui/submit?root=AAPL&start_date=20240102&end_date=20240103")
    login = page.get_by_role("dialog", name="Log in")
    login.get_by_label("Token").fill(tokens["read"])
    page.keyboard.press("Enter")
    expect(login).to_have_count(0)
    page.goto("/ui/activity")
    expect(page.get_by_role("article", name="ThetaData").get_by_role("button", name="Change")).to_be_disabled()


# --- for everybody ----------------------------------------------------------------------------------


def violations(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
    return [f"{one['id']}: {one['help']}: " + "; ".join(node["html"][:160] for node in one["nodes"][:3]) for one in found.response["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, lake, expect, scheme):
    _sim, server = lake
    jobs = server.client.get("/jobs").json()["jobs"]
    page = visit(server, "/ui?year=2024", color_scheme=scheme, bypass_csp=True)
    found = {}
    expect(cell(page, "20240110")).to_be_visible()
    found["coverage"] = violations(page)
    cell(page, "20240110").click()
    expect(page.get_by_role("button", name=re.compile("^Download 3"))).to_be_enabled()
    page.wait_for_timeout(250)  # the sheet slides in, and contrasts are of what is painted
    found["sheet"] = violations(page)
    for path, ready in [("/ui/jobs", ".job"), (f"/ui/jobs/{jobs[1]['job_id']}", ".item-field i"), (f"/ui/jobs/{jobs[1]['job_id']}?show=failed", ".failed-list li"),
                        ("/ui/submit?root=AAPL&start_date=20240102&end_date=20240131", ".plan-view"), ("/ui/activity", ".slots i"), ("/ui/nothing", ".empty")]:
        page.goto(path)
        expect(page.locator(ready).first).to_be_visible()
        found[path] = violations(page)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
def test_nothing_is_wider_than_the_window(visit, lake, expect, width):
    _sim, server = lake
    job = server.client.get("/jobs").json()["jobs"][0]["job_id"]
    page = visit(server, "/ui?year=2024", width=width)
    for path, ready in [("/ui?year=2024", ".calendar"), ("/ui/jobs", ".job"), (f"/ui/jobs/{job}", ".item-field i"),
                        ("/ui/submit?root=AAPL&start_date=20240102&end_date=20240131", ".plan-view"), ("/ui/activity", ".slots i")]:
        page.goto(path)
        expect(page.locator(ready).first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_theme_is_chosen_and_kept(visit, serve, expect):
    page = visit(serve(), color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = page.evaluate(paper)
    assert dark != light
    page.reload()
    assert page.evaluate(paper) == dark


def test_pictures(visit, simulate, serve, expect, folder):
    """A lake as people have it, at three widths, light and dark."""
    into = Path(os.environ.get("BETEDGE_SCREENSHOTS", folder / "pictures"))
    into.mkdir(parents=True, exist_ok=True)
    sim = simulate("--contracts", "5")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    sim.faults("473@date=20240607,kind=option", "473@date=20240919,kind=option")
    year = {"start_date": "20240101", "end_date": "20241231"}
    for kind, members in [("option", {"root": "AAPL", **year}), ("option", {"root": "SPY", "start_date": "20240101", "end_date": "20240621"}),
                          ("option", {"root": "MSFT", "schema": "ohlc", "interval": 60000, "start_date": "20240301", "end_date": "20241115"}),
                          ("stock", {"root": "AAPL", "schema": "eod", **year}), ("stock", {"root": "NVDA", "schema": "ohlc", **year, "interval": 60000})]:
        filled(server, kind, **members)
    sim.faults()
    filled(server, root="SPY", start_date="20240701", end_date="20240731")
    sim.options(latency="2s")
    running = server.client.submit("option", root="SPY", schema="quote", start_date="20240801", end_date="20241231")
    server.wait_event("item_done", job=running)
    coverage = ("coverage", "/ui?year=2024", ".calendar i[data-state=present]")
    for (name, path, ready), width, height, scheme in [
        (coverage, 1280, 860, "light"), (coverage, 1280, 860, "dark"), (coverage, 360, 780, "light"), (coverage, 3840, 2160, "light"),
        (("jobs", "/ui/jobs", ".job:nth-child(7)"), 1280, 860, "light"), (("job", f"/ui/jobs/{running}", ".item-field i[data-state=succeeded]"), 1280, 860, "light"),
    ]:
        page = visit(server, path, width=width, height=height, color_scheme=scheme)
        expect(page.locator(ready).first).to_be_visible()
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator(".facts", has_text="loading")).to_have_count(0)
        page.screenshot(path=into / f"{name}-{width}-{scheme}.png")
    assert len(list(into.glob("*.png"))) >= 6
