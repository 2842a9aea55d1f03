"""Settings of the small application: the configuration and the log, no apps, so that its workers start quickly."""

import os

from reaktor.config.environment import config_from

REAKTOR = config_from(os.environ)
SECRET_KEY = "only-for-tests"
INSTALLED_APPS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
