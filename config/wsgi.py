"""Entrance for the web server."""

import contextlib
import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import OperationalError, connection

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

try:
    application = get_wsgi_application()

    from workspace import functions, triggers

    # While the database is away nothing can be written either: start, and wait for it.
    with contextlib.suppress(OperationalError):
        triggers.require(connection)
        functions.require(connection)
    connection.close()
except ImproperlyConfigured as refusal:
    sys.exit(f"Stipend does not start: {refusal}")
