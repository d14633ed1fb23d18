"""A root folder that holds glibc's own libraries and the package, and nothing else: what a bare Debian 12 guarantees.

`python empty_root.py ROOT` runs a whole job inside it, in a network namespace that has only a loopback.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
from pathlib import Path

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def make(root: Path, tarball: Path) -> None:
    """glibc from this machine's libc6, device nodes, and the package under /opt/betedge."""
    listed = subprocess.run(["dpkg-query", "-L", "libc6"], capture_output=True, text=True, check=True).stdout.split()
    for name in listed:
        source = Path(name)
        if ".so" in source.name and source.is_file() and "/gconv/" not in name:
            target = root / source.resolve().parent.relative_to("/") / source.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    for link in ("lib", "lib64"):  # Debian's merged /usr
        (root / link).symlink_to(f"usr/{link}")
    loader = root / "usr/lib64/ld-linux-x86-64.so.2"
    if not loader.exists():
        loader.parent.mkdir(parents=True, exist_ok=True)
        loader.symlink_to("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    for folder in ("tmp", "dev", "opt", "proc"):
        (root / folder).mkdir()
    for name, minor in (("null", 3), ("zero", 5), ("random", 8), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o666 | 0o020000, os.makedev(1, minor))
    with tarfile.open(tarball) as archive:
        archive.extractall(root / "opt")
    (unpacked,) = (root / "opt").iterdir()
    unpacked.rename(root / "opt/betedge")


def bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def namespaced(*arguments) -> list:
    """The command line that runs this file's main with a network and mounts of its own."""
    return ["unshare", "--net", "--mount", sys.executable, __file__, *map(str, arguments)]


class Inside:
    """Programs of the package, run inside the root."""

    def __init__(self, root: Path):
        self.root = root
        self.running: list[subprocess.Popen] = []

    def command(self, *arguments) -> list:
        return ["/usr/sbin/chroot", str(self.root), "/opt/betedge/bin/betedge", *map(str, arguments)]

    def run(self, *arguments, **environment) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

    def serve(self, *arguments, **environment) -> str:
        """Starts a server of ours; its address, from the line that says it is ready."""
        process = subprocess.Popen(self.command(*arguments), env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        for line in process.stdout:
            if " listening on http://" in line:
                return "http://" + line.split("http://")[1].split()[0]
        raise SystemExit(f"betedge {arguments[0]} ended before it was ready: exit code {process.wait()}")

    def stop(self) -> list[int]:
        """SIGTERM to all, the server first; their exit codes."""
        codes = []
        while self.running:
            process = self.running.pop()
            process.terminate()
            codes.append(process.wait(timeout=30))
        return codes


def whole_job(root: Path) -> None:
    """Simulator, server, two small jobs followed to their ends, and a stop."""
    inside = Inside(root)
    try:
        said = inside.run("version")
        print(said.stdout, said.stderr, flush=True)
        assert said.returncode == 0
        terminal = inside.serve("sim", "--v3-port", "0", "--v2-port", "0")
        server = inside.serve("serve", BETEDGE_LISTEN="127.0.0.1:0", BETEDGE_LAKE="/data/lake", THETA_BASE_URL=terminal)
        for job in (["option", "AAPL", "2024-01-02", "2024-01-03", "--interval", "1h"], ["stock", "AAPL", "2024-01-02", "2024-01-05", "--interval", "15m"]):
            done = inside.run(*job, "--wait", BETEDGE_URL=server)
            print(done.stdout, done.stderr, flush=True)
            assert done.returncode == 0, job
        assert inside.stop() == [0, 0]
    finally:
        for process in inside.running:
            process.kill()
            process.wait()


if __name__ == "__main__":
    here = Path(sys.argv[1])
    bring_loopback_up()
    # The loader reads /proc/self/exe to know where the program lies.
    subprocess.run(["mount", "-t", "proc", "proc", here / "proc"], check=True)
    whole_job(here)
