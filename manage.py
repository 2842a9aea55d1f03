#!/usr/bin/env python
"""The command line: `python manage.py help` lists what there is."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reaktor.settings.local")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # It names every variable that can't be understood; where that was found out is of no use to anybody.
        sys.exit(f"The settings are wrong: {error}")


if __name__ == "__main__":
    main()
