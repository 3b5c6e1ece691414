"""Entrance for the web server."""

import contextlib
import gc
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    django_application = get_wsgi_application()

    from config.chunked import ReadChunks
    from workspace import functions, triggers

    application = ReadChunks(django_application)

    # While the database is away nothing can be written either: start, and wait for it.
    with contextlib.suppress(OperationalError):
        triggers.require(connection)
        functions.require(connection)
    connection.close()

    # What is there now lives as long as the process. To look for garbage in all of Django and
    # of our models takes 50 ms, in the middle of a request: let it be left alone.
    _ = get_resolver().url_patterns  # or the first request would load the views
    gc.collect()
    gc.freeze()
except ImproperlyConfigured as refusal:
    sys.exit(f"Stipend does not start: {refusal}")
