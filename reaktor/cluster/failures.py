"""What can keep a cluster from running: one family, each with a sentence for whoever started the command. Pure."""

from __future__ import annotations

ONE_PROCESS = "This server is one process, as it has no Redis: it can be stopped and started, not reloaded or scaled."


class ClusterError(Exception):
    """Something the operator has to know; the text is a whole sentence."""


class ListenError(ClusterError):
    """The port can't be listened on."""


class RunDirError(ClusterError):
    """The run directory can't be used, or another supervisor has it."""


class DataDirError(ClusterError):
    """The data directory can't be used, or another server works there."""


class RedisUnavailableError(ClusterError):
    """There is no Redis to work with."""


class SupervisorError(ClusterError):
    """The cluster can't serve, or won't do what was asked."""


class NotRunningError(ClusterError):
    """No live server was found."""
