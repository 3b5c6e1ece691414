"""The Chromium of this system, as tests and pictures use it."""

import shutil

PATH = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "No Chromium was found: on Debian, apt-get install chromium."
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
