"""The package of `make dist` runs where there is nothing: no compiler, no Python, no checkout, no network."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as parquet
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import empty_root  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("BETEDGE_BINARY", ROOT / "build/release/betedge"))


def pack(folder: Path) -> Path:
    assert BINARY.exists(), f"{BINARY} is missing: make build"
    subprocess.run([sys.executable, ROOT / "tools/package.py", BINARY, folder], check=True, capture_output=True, text=True,
                   env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})
    (tarball,) = folder.glob("*.tar.gz")
    return tarball


@pytest.fixture(scope="module")
def tarball(tmp_path_factory) -> Path:
    return pack(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def root(tarball, tmp_path_factory):
    if os.geteuid() != 0:
        if os.environ.get("CI"):
            pytest.fail("an empty root needs root to be entered, and CI must test it")
        pytest.skip("an empty root needs root to be entered")
    folder = tmp_path_factory.mktemp("root")
    empty_root.make(folder, tarball)
    yield folder
    shutil.rmtree(folder)


def test_the_tarball_names_its_version_and_platform(tarball):
    version = re.search(r"project\(betedge VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    assert tarball.name == f"betedge-{version}-linux-x86_64.tar.gz"


def test_every_library_beside_the_program_comes_with_a_licence_and_glibc_stays_out(tarball):
    folder = tarball.with_name(tarball.name.removesuffix(".tar.gz"))
    libraries = {p.name for p in (folder / "lib").iterdir()}
    assert {"libarrow.so", "libparquet.so"} <= {re.sub(r"\.so.*", ".so", name) for name in libraries}
    assert not {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2"} & libraries
    assert list((folder / "licenses").iterdir())


def test_the_manual_has_every_command_with_its_options_and_shells_find_completions(tarball):
    share = tarball.with_name(tarball.name.removesuffix(".tar.gz")) / "share"
    page = (share / "man/man1/betedge.1").read_text()
    assert page.startswith(".TH BETEDGE 1 ")
    whole = subprocess.run([BINARY, "--help", "--all"], capture_output=True, text=True, check=True).stdout
    commands = re.findall(r"^  betedge (\w+)", whole, re.MULTILINE)
    assert re.findall(r"^\.SS betedge (\w+)", page, re.MULTILINE) == commands and len(commands) > 20
    for command, section in zip(commands, page.split(".SS betedge ")[1:]):
        said = subprocess.run([BINARY, command, "--help"], capture_output=True, text=True, check=True).stdout
        for option in re.findall(r"^  (?:-h,)?(--[a-z0-9-]+)", said, re.MULTILINE):
            assert option.replace("-", "\\-") in section, (command, option)
    for shell, place in {"bash": "bash-completion/completions/betedge", "zsh": "zsh/site-functions/_betedge", "fish": "fish/vendor_completions.d/betedge.fish"}.items():
        assert (share / place).read_text() == subprocess.run([BINARY, "completion", shell], capture_output=True, text=True, check=True).stdout


def test_nothing_in_the_package_looks_for_libraries_outside_of_it(tarball):
    folder = tarball.with_name(tarball.name.removesuffix(".tar.gz"))
    for path in [folder / "bin/betedge", *(folder / "lib").iterdir()]:
        wanted = subprocess.run(["patchelf", "--print-rpath", path], capture_output=True, text=True, check=True).stdout.strip()
        assert wanted.split(":") in (["$ORIGIN/../lib"], ["$ORIGIN"]), path


def exported_by(library: Path) -> set[str]:
    """The functions and objects that a shared library offers to others, without their versions."""
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return {line.split()[2].split("@")[0] for line in listed.splitlines() if line.split()[1] not in "aA"}


def test_everybody_finds_the_systems_libcrypto_and_not_the_one_inside_arrow(tarball):
    """libparquet exports the libcrypto that is built into it, and libssl with another libcrypto than its own breaks.
    The loader says which library each name was found in."""
    folder = tarball.with_name(tarball.name.removesuffix(".tar.gz"))
    said = subprocess.run(
        [folder / "bin/betedge", "version"], env={"LD_DEBUG": "bindings", "LD_BIND_NOW": "1"}, capture_output=True, text=True, check=True)
    bindings = re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: normal symbol `([^']+)'", said.stderr)
    libraries = {path.name: path for path in (folder / "lib").iterdir()}
    for guarded, users in (("libcrypto.so.3", {"libssl.so.3", "betedge"}), ("libsimdjson.so.14", {"betedge"})):
        names = exported_by(libraries[guarded])
        found = {(Path(user).name, Path(owner).name) for user, owner, name in bindings if name in names}
        assert users <= {user for user, owner in found if owner == guarded}, (guarded, found)
        # C++'s shared inline functions may be found anywhere: they are the same everywhere.
        wrong = {
            (Path(user).name, name, Path(owner).name)
            for user, owner, name in bindings
            if name in names and Path(owner).name != guarded and not name.startswith("_ZNSt") and not name.startswith("_ZNKSt")
        }
        assert not wrong, sorted(wrong)[:10]


def test_a_whole_job_runs_in_an_empty_root_without_a_network(root):
    done = subprocess.run(empty_root.namespaced(root), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    files = sorted((root / "data/lake").rglob("*.parquet"))
    assert len(files) == 6
    assert all(parquet.read_metadata(path).num_rows > 0 for path in files)


@pytest.mark.slow
def test_the_same_program_makes_the_same_tarball(tarball, tmp_path):
    again = pack(tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(tarball.read_bytes()).digest()
