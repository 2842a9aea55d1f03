"""Clusters for the tests of this folder: own() starts one that ends with its test.

`chat` is the whole chat server, shared: each test leaves two healthy workers behind. make_chat() makes another one.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.cluster import RunningCluster
from tests.support.server import LiveServer

MakeChat = Callable[..., AbstractContextManager[ChatCluster]]


@pytest.fixture
def own(tmp_path):
    """Start clusters of one's own; they are ended with the test."""
    started = []

    def start(**options):
        started.append(RunningCluster(tmp_path, **options))
        return started[-1]

    yield start
    for found in started:
        found.destroy()


@pytest.fixture(scope="session")
def make_chat(prepared_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> MakeChat:
    """`with make_chat(command=…, **environment) as chat:` is a chat cluster of two workers on data of its own.

    `{data}` in a value becomes its data directory.
    """
    numbers = itertools.count(1)

    def make(**options: Any) -> AbstractContextManager[ChatCluster]:
        directory = tmp_path_factory.mktemp("chat") / str(next(numbers))
        given = {
            name: value.replace("{data}", str(directory)) if isinstance(value, str) else value
            for name, value in options.items()
        }
        return chat_cluster(prepared_server, directory, **{"WORKERS": "2", **given})

    return make


@pytest.fixture(scope="package")
def chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    """Two workers, an embedded Redis, SQLite: what `make run` gives."""
    with make_chat(SPARE_WORKERS="1") as found:
        yield found
