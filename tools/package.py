#!/usr/bin/python3
"""Packs the program with every library it needs but glibc's own: a folder that may lie anywhere, and a tarball.

    tools/package.py BINARY DIST_FOLDER

The same program and libraries make the same tarball: sorted, with one time for all files.
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Part of glibc (Debian's libc6): every Debian 12 has them, and they belong to its kernel and loader.
GLIBC = re.compile(r"^(linux-vdso|ld-linux-x86-64|lib(c|m|mvec|dl|rt|pthread|resolv|util|anl|nsl|BrokenLocale|thread_db|nss_\w+))\.so")


def needed_libraries(binary: Path) -> dict[str, Path]:
    """soname → file, for all that the loader would load, directly or not."""
    listed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    if missing := re.findall(r"(\S+) => not found", listed):
        sys.exit(f"package: not found by the loader: {' '.join(missing)}")
    found = dict(re.findall(r"^\s*(\S+) => (/\S+)", listed, re.MULTILINE))
    return {name: Path(path) for name, path in sorted(found.items()) if not GLIBC.match(name)}


def owner_of(library: Path) -> str | None:
    """The Debian package a library comes from; /lib and /usr/lib are one folder, dpkg knows either."""
    for path in {library, library.resolve(), Path("/usr") / library.relative_to("/"), Path(str(library.resolve()).removeprefix("/usr"))}:
        asked = subprocess.run(["dpkg-query", "-S", path], capture_output=True, text=True)
        if asked.returncode == 0:
            return asked.stdout.split(":")[0]
    return None


def copy_licences(libraries: dict[str, Path], target: Path) -> None:
    target.mkdir()
    for library in libraries.values():
        package = owner_of(library)
        if package:
            shutil.copy(f"/usr/share/doc/{package}/copyright", target / f"{package}.txt")
        elif "pyarrow" in str(library):
            for name in ("LICENSE.txt", "NOTICE.txt"):
                for found in library.parent.parent.glob(f"pyarrow-*.dist-info/**/{name}"):
                    shutil.copy(found, target / f"arrow-{name}")
        else:
            sys.exit(f"package: whose is {library}?")


def said_by(binary: Path, *arguments: str) -> str:
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=True).stdout


def manual(binary: Path, version: str) -> str:
    """betedge(1): the help of the program and of each of its commands, as they stand there."""
    def verbatim(text: str) -> str:
        lines = [line.replace("\\", "\\e").replace("-", "\\-") for line in text.strip("\n").splitlines()]
        return "\n".join([".nf", *(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines), ".fi"])

    whole = said_by(binary, "--help", "--all")
    parts = [f'.TH BETEDGE 1 "" "betedge {version}"', ".SH NAME", "betedge \\- a market-data backfill server and its command line",
             ".SH SYNOPSIS", "\\fBbetedge\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]", ".SH DESCRIPTION", verbatim(whole), ".SH COMMANDS"]
    for command in re.findall(r"^  betedge (\w+)", whole, re.MULTILINE):
        parts += [f".SS betedge {command}", verbatim(said_by(binary, command, "--help"))]
    return "\n".join(parts) + "\n"


def write_shared(binary: Path, version: str, share: Path) -> None:
    """The manual page, and completions where shells look for them below a prefix."""
    for place, text in {"man/man1/betedge.1": manual(binary, version), "bash-completion/completions/betedge": said_by(binary, "completion", "bash"),
                        "zsh/site-functions/_betedge": said_by(binary, "completion", "zsh"),
                        "fish/vendor_completions.d/betedge.fish": said_by(binary, "completion", "fish")}.items():
        (share / place).parent.mkdir(parents=True)
        (share / place).write_text(text)


def pack(folder: Path, tarball: Path, time: int) -> None:
    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = "root"
        info.mtime = time
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with tarball.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=6, mtime=time) as packed, tarfile.open(
        fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT
    ) as archive:
        for path in [folder, *sorted(folder.rglob("*"))]:
            archive.add(path, arcname=str(path.relative_to(folder.parent)), recursive=False, filter=plain)


def main() -> None:
    binary, dist = Path(sys.argv[1]), Path(sys.argv[2])
    version = re.search(r"project\(betedge VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    folder = dist / f"betedge-{version}-linux-x86_64"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()

    program = folder / "bin/betedge"
    shutil.copy(binary, program)
    subprocess.run(["strip", "--strip-debug", program], check=True)
    subprocess.run(["patchelf", "--set-rpath", "$ORIGIN/../lib", program], check=True)
    libraries = needed_libraries(binary)
    for name, path in libraries.items():
        target = folder / "lib" / name
        shutil.copy(path, target)
        target.chmod(0o755)
        subprocess.run(["patchelf", "--set-rpath", "$ORIGIN", target], check=True)
    copy_licences(libraries, folder / "licenses")
    write_shared(binary, version, folder / "share")
    for name in ("README.md", "LICENSE", "CHANGELOG.md"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)

    time = int(os.environ.get("SOURCE_DATE_EPOCH") or subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True).stdout.strip() or 0)
    tarball = folder.with_name(folder.name + ".tar.gz")
    pack(folder, tarball, time)

    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    print(f"{folder}  {size / 2**20:.0f} MiB, {len(libraries)} libraries beside the program")
    print(f"{tarball}  {tarball.stat().st_size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
