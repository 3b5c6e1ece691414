"""How the web server runs: `gunicorn --config config/gunicorn.py config.wsgi`.

Its own variables, such as `WEB_CONCURRENCY`, and its command line win over what stands here.

Why gunicorn: granian answers a check with 15 % less processor time (900 µs against 1,050, of
which the server itself takes 90 against 200), but told to stop while it was starting it hung 9
times out of 10, until it was killed after 45 seconds. gunicorn ended within 3 seconds, always.
"""

import os
from pathlib import Path

bind = os.environ.get("STIPEND_BIND", "127.0.0.1:8000")

# Threads, because a request mostly waits for the database, and each keeps its connection.
worker_class = "config.web_worker.WebWorker"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4

# Loaded once, before the workers are forked: less memory, and settings that are refused stop
# the server with one sentence instead of one worker after the other.
preload_app = True

# A request may take as long as a statement; a stop waits for it.
timeout = 60
graceful_timeout = 30
keepalive = 75  # longer than proxies keep theirs, or they would write into closed connections

# The most there is: whoever sends an id too long by far learns that there is no such id.
limit_request_line = 8190

# `config.proxies` alone decides whom to believe about addresses and schemes.
forwarded_allow_ips = ""

# A disk that stalls must not look like a worker that hangs.
if Path("/dev/shm").is_dir():  # noqa: S108  # memory; holds no data
    worker_tmp_dir = "/dev/shm"  # noqa: S108

control_socket_disable = True  # a socket in the home folder is one door more than needed
