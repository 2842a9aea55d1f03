"""The environment, read into a Config: every variable of the server with its default, its unit and what it does.

A mapping such as os.environ goes in by config_from(), a Config or a ConfigError comes out. variables() gives the rows
that docs/settings.md and docker/chat.env are made of. What is said of each variable, and what it may be, stands in the
…_variables.py beside this file, one for each part of the Config.
"""

from __future__ import annotations

from collections.abc import Mapping

from reaktor.config.account_variables import read_accounts
from reaktor.config.cluster_variables import read_cluster
from reaktor.config.connection_variables import read_engineio, read_http, read_membership, read_native
from reaktor.config.file_variables import read_files
from reaktor.config.limit_variables import read_limits
from reaktor.config.log_variables import read_logs
from reaktor.config.mail_variables import read_mail, read_registration
from reaktor.config.message_variables import read_delivery, read_retention
from reaktor.config.model import Config, ConfigError
from reaktor.config.push_variables import read_push
from reaktor.config.redis_variables import read_redis
from reaktor.config.start_variables import read_secrets, read_start
from reaktor.config.storage_variables import read_database, read_storage
from reaktor.config.variables import Reader, Variable
from reaktor.config.web_variables import read_web


def config_from(env: Mapping[str, str]) -> Config:
    """The whole configuration. Variables that nobody knows are ignored.

    Raises ConfigError with every problem found, not only the first.
    """
    reader = Reader(env)
    config = _read(reader)
    if reader.problems:
        raise ConfigError("; ".join(reader.problems))
    return config


def variables() -> list[Variable]:
    """Every variable, in the order of the documentation."""
    reader = Reader({})
    _read(reader)
    return reader.variables


def _read(reader: Reader) -> Config:
    """Every part. The order here is that of the documentation, and of the problems."""
    return Config(
        web=read_web(reader),
        **read_secrets(reader),
        start=read_start(reader),
        **read_storage(reader),
        redis=read_redis(reader),
        database=read_database(reader),
        cluster=read_cluster(reader),
        **read_logs(reader),
        limits=read_limits(reader),
        http=read_http(reader),
        native=read_native(reader),
        engineio=read_engineio(reader),
        membership=read_membership(reader),
        delivery=read_delivery(reader),
        retention=read_retention(reader),
        files=read_files(reader),
        push=read_push(reader),
        **read_accounts(reader),
        **read_registration(reader),
        mail=read_mail(reader),
    )
