"""Settings of the static twin: the same application, without middleware, with one answer."""

from config.settings import *  # noqa: F403

MIDDLEWARE = []
ROOT_URLCONF = "benchmarks.static_urls"
