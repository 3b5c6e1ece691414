#!/usr/bin/env python
"""Entrance for every command: `python manage.py COMMAND`."""

import os
import sys


def main() -> None:
    """Run the command, or say in one sentence why the settings do not allow it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        # Django would swallow a refusal and go on without settings: have them read first.
        settings.INSTALLED_APPS  # noqa: B018
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as refusal:
        sys.exit(f"Stipend does not start: {refusal}")


if __name__ == "__main__":
    main()
