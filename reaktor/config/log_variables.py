"""The variables of logs, metrics and error reports. Pure."""

from __future__ import annotations

from typing import Any

from reaktor.config.variables import Reader

LOG_FORMATS = ("human", "json")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def read_logs(reader: Reader) -> dict[str, Any]:
    """The fields of Config that are no part of it, by their names."""
    reader.section = "Logs and metrics"
    return {
        "metrics_allow": reader.networks(
            "METRICS_ALLOW", "Who may read `/metrics` and the details of `/readyz`, beside this machine."
        ),
        "log_format": reader.choice(
            "LOG_FORMAT", "human", "How a log line looks: text for people, or a JSON object.", among=LOG_FORMATS
        ),
        "log_level": reader.choice("LOG_LEVEL", "INFO", "The lowest level that is logged.", among=LOG_LEVELS),
        "access_log": reader.switch(
            "ACCESS_LOG", False, "Log a line for each HTTP request, and for the end of each WebSocket."
        ),
        "sentry_dsn": reader.text(
            "SENTRY_DSN",
            "",
            "Where logged errors are reported, without requests, variables or message texts.",
            unit="URL",
            secret=True,
        ),
        "debug": reader.switch("DEBUG", False, "Show pages that explain errors. For development alone."),
    }
