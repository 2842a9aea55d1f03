#!/usr/bin/env python
"""The command line: `python manage.py help` lists what there is."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reaktor.settings.local")
    try:
        import django  # noqa: F401
    except ImportError:
        sys.exit(f"Django is not installed for {sys.executable}: run `make install`, then .venv/bin/python manage.py.")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        execute_from_command_line(sys.argv)
        sys.stdout.flush()
    except ImproperlyConfigured as error:
        # It names every variable that can't be understood; where that was found out is of no use to anybody.
        sys.exit(f"The settings are wrong: {error}")
    except OperationalError:
        from reaktor.db.startup import refusal

        reason = refusal()
        if reason is None:
            raise
        sys.exit(reason)
    except BrokenPipeError:
        # `… | head` has read enough. What is still unwritten goes nowhere, or Python complains of it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
