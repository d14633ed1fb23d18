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


def test_nothing_in_the_package_looks_for_libraries_outside_of_it(tarball):
    folder = tarball.with_name(tarball.name.removesuffix(".tar.gz"))
    for path in [folder / "bin/betedge", *(folder / "lib").iterdir()]:
        wanted = subprocess.run(["patchelf", "--print-rpath", path], capture_output=True, text=True, check=True).stdout.strip()
        assert wanted.split(":") in (["$ORIGIN/../lib"], ["$ORIGIN"]), path


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
