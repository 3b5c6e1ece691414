"""`make demo`: sample data, web server and worker in the foreground, until Ctrl-C.

The database stays in var/ between runs; `--reset` starts over.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from workspace.processes import ProcessGroup

ROOT = Path(__file__).resolve().parent.parent
DATABASE = ROOT / "var" / "demo.sqlite3"
KEY_FILE = ROOT / "var" / "demo-api-key"
HOST = "127.0.0.1"
START_SECONDS = 60
STOP_SECONDS = 80  # longer than the worker lets a running task finish
LOGIN, PASSWORD = "admin", "stipend-demo"  # as `load_demo` makes them

SERVER = [
    sys.executable,
    "-m",
    "gunicorn",
    "--config=config/gunicorn.py",
    "--log-level=warning",
    "config.wsgi",
]

WELCOME = """
  Stipend runs at   {address}/
  Sign in with      {login}
  API key           {key}

  Ask whether a customer may go on, and what is left:

  curl -H 'X-API-KEY: {key}' \\
    '{address}/api/v1/customers/acme/entitlements/check?currencyId=ai-credits'

  Ctrl-C stops it; the data is kept (make demo-reset starts over).
"""


def main() -> None:
    """Prepare the data, start both processes, and watch over them."""
    port = int(os.environ.get("PORT", "8000"))
    refuse_taken_port(port)
    settle(DATABASE, port)
    if "--reset" in sys.argv:
        remove_data()
    load()
    key = api_key()
    address = f"http://{HOST}:{port}"
    watch_over(
        [
            ProcessGroup(*SERVER, cwd=ROOT),
            ProcessGroup(sys.executable, "manage.py", "run_worker", cwd=ROOT),
        ],
        port=port,
        welcome=WELCOME.format(address=address, login=f"{LOGIN} / {PASSWORD}", key=key),
    )


def refuse_taken_port(port: int) -> None:
    """Stop before anything is touched where another server listens."""
    if listens(port):
        sys.exit(f"Port {port} is taken; choose another: make demo PORT={port + 1}")


def settle(database: Path, port: int) -> None:
    """Decide by the environment where the demo keeps its data, and where it answers."""
    # What this shell holds for another installation must not lead the demo there.
    os.environ |= {
        "STIPEND_MODE": "development",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "STIPEND_BIND": f"{HOST}:{port}",
        "STIPEND_WORKSPACE_NAME": "Demo",
        "STIPEND_LOG_LEVEL": "WARNING",
    }
    for variable in ("DEBUG", "SECRET_KEY", "SECRET_KEY_FILE", "DATABASE_URL_FILE"):
        os.environ.pop(variable, None)


def load() -> None:
    """Bring tables and sample data to where they should be."""
    manage("migrate", "--verbosity=0")
    manage("load_demo")


def remove_data() -> None:
    """Forget the database, with the files that SQLite keeps beside it, and its key."""
    for file in (KEY_FILE, *DATABASE.parent.glob(f"{DATABASE.name}*")):
        file.unlink(missing_ok=True)


def manage(*arguments: str) -> None:
    """Run a command of manage.py, and stop where it fails: it has said why."""
    if code := subprocess.call([sys.executable, "manage.py", *arguments], cwd=ROOT):
        sys.exit(code)


def api_key() -> str:
    """Make a key at the first run, and remember it: the database holds its hash only."""
    if KEY_FILE.exists():
        return KEY_FILE.read_text()
    made = subprocess.run(
        [sys.executable, "manage.py", "create_api_key", "Demo"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout.strip()
    KEY_FILE.touch(mode=0o600)
    KEY_FILE.write_text(made)
    return made


def watch_over(groups: list[ProcessGroup], *, port: int, welcome: str) -> None:
    """Greet when the site answers; stop all when somebody asks, or when one of them ends."""
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda signal_number, _: asked.append(signal_number))
    give_up_at = time.monotonic() + START_SECONDS
    greeted = False
    while not asked and not any(group.has_ended() for group in groups):
        if not greeted and listens(port):
            print(welcome, flush=True)
            greeted = True
        if not greeted and time.monotonic() > give_up_at:
            print("The site does not answer.", file=sys.stderr)
            break
        time.sleep(0.2)
    if asked:
        print("\nStopping ...", flush=True)
    for group in groups:
        group.ask_to_end()
    for group in groups:
        group.stop(STOP_SECONDS)
    if not asked:
        sys.exit("The demo ended because one of its processes did.")


def listens(port: int) -> bool:
    """Whether somebody answers at the port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


if __name__ == "__main__":
    main()
