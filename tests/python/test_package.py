"""The package as strangers meet it: built, installed, typed, shown, and its README followed."""

import re
import subprocess
import sys
import venv

import pytest

import betedge
from betedge import _display
from betedge.models import JobInfo
from betedge.testing import BetEdge, _Process, binary
from conftest import ROOT
from test_flows import raw

PYTHON = ROOT / "python"


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mypy_finds_nothing():
    run(sys.executable, "-m", "mypy", "--no-incremental", cwd=PYTHON)


def test_pyright_finds_nothing():
    run(sys.executable, "-m", "basedpyright", "--project", PYTHON, "--pythonpath", sys.executable)


def test_it_installs_as_a_wheel_and_says_its_version(tmp_path):
    """Built and installed without an index: what it needs is already in the tests' own environment."""
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, PYTHON)
    (wheel,) = tmp_path.glob("betedge-*.whl")
    venv.create(tmp_path / "venv", with_pip=True, system_site_packages=False)
    python = tmp_path / "venv/bin/python"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    said = run(python, "-c", "import betedge, importlib.resources as r; print(betedge.__version__, (r.files('betedge') / 'py.typed').is_file())",
               env={"PYTHONPATH": packages}, cwd=tmp_path)
    assert said.split() == [re.search(r'^version = "(.+)"', (PYTHON / "pyproject.toml").read_text(), re.MULTILINE)[1], "True"]


INSTALLS = re.findall(r"^pip install (\S+)", (PYTHON / "README.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("what", INSTALLS)
def test_the_readme_says_how_to_install_it(what, tmp_path):
    """As it says it. What it needs is in the tests' own environment already, and no index is asked."""
    venv.create(tmp_path / "venv", with_pip=True)
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {"PATH": f"{tmp_path}/venv/bin:/usr/bin:/bin", "PYTHONPATH": packages, "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0",
                   "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run("sh", "-c", f"pip install {what}", cwd=ROOT, env=environment)
    said = run("python", "-c", "import betedge; print(betedge.__file__)", cwd=tmp_path, env=environment)
    assert said.startswith(str(tmp_path))


SNIPPETS = re.findall(r"```python\n(.+?)```", (PYTHON / "README.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_every_snippet_of_the_readme_runs(number, betedge_server, tmp_path):
    snippet = SNIPPETS[number].replace("http://127.0.0.1:8000", betedge_server.url)
    assert "import betedge" in snippet
    run(sys.executable, "-c", snippet, env={"BETEDGE_URL": betedge_server.url, "PYTHONPATH": str(PYTHON / "src"), "PATH": "/usr/bin:/bin"}, cwd=tmp_path)


def job(state="running", completed=1, **more):
    return JobInfo.read(raw(state, completed, **more))


def test_a_bar_by_tqdm(capsys):
    show = betedge.bar()
    show(job())
    show(job("completed", 3, items={"failed": 1}))
    assert "3/3" in capsys.readouterr().err
    show(job("completed", 3, job_id="another"))
    assert "3/3" in capsys.readouterr().err, "the next job has a bar of its own"


def hide(monkeypatch, *names):
    real = _display.import_module

    def without(name):
        if name.split(".")[0] in names:
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(_display, "import_module", without)


def test_a_bar_by_rich(monkeypatch):
    hide(monkeypatch, "tqdm")
    show = betedge.bar()
    show(job())
    show(job("completed", 3))


def test_a_bar_by_nobody(monkeypatch, capsys):
    hide(monkeypatch, "tqdm", "rich")
    show = betedge.bar()
    show(job(waiting_for="the terminal"))
    show(job("completed", 3))
    shown = capsys.readouterr().err
    assert "1/3 items, 10 rows, waiting: the terminal" in shown and shown.endswith("\n")


def test_a_notebook_shows_what_stands_in_the_way():
    shown = _display.as_html(job(waiting_for="upstream <unavailable>"))
    assert "upstream &lt;unavailable&gt;" in shown and "<script" not in shown


def test_the_test_kit_says_what_is_wrong(monkeypatch, tmp_path):
    with pytest.raises(RuntimeError, match="ended at once"):
        _Process(["serve", "--no-such-option"], {}, tmp_path, "never")
    with pytest.raises(RuntimeError, match="ended at once"):
        BetEdge(sim=["--no-such-option"])
    with pytest.raises(RuntimeError, match="serve ended at once"):
        BetEdge(BETEDGE_LAKE="ftp://nowhere")  # the terminal that it had started is ended again
    monkeypatch.delenv("BETEDGE_BINARY")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="BETEDGE_BINARY"):
        binary()


def test_a_checkout_that_is_not_installed_has_a_version_too(monkeypatch):
    from importlib import metadata

    from betedge import _settings

    def nowhere(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(_settings, "version", nowhere)
    assert _settings._version() == "0"
