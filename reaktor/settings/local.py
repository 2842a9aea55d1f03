"""Development, and `make run` on one's own machine: secrets and SQLite in var/, pages that explain errors off."""

from reaktor.settings.base import *  # noqa: F403
from reaktor.settings.base import env

DEBUG = env.bool("DEBUG", default=False)
