"""Clusters for the tests of this folder: own() starts one that ends with its test.

`chat` is the whole chat server, shared: each test leaves two healthy workers behind. make_chat() starts another one.
"""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.support.chat_cluster import ChatCluster, start_chat_cluster
from tests.support.cluster import RunningCluster
from tests.support.server import LiveServer

MakeChat = Callable[..., ChatCluster]


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
def make_chat(prepared_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeChat]:
    """make_chat(command?, **environment) → a chat cluster that serves; all of them end with the run."""
    made: list[ChatCluster] = []
    numbers = itertools.count(1)

    def make(**options: str) -> ChatCluster:
        directory = tmp_path_factory.mktemp("chat") / str(next(numbers))
        made.append(start_chat_cluster(prepared_server, directory, **{"WORKERS": "2", **options}))
        made[-1].wait_serving(60)
        return made[-1]

    yield make
    for cluster in made:
        cluster.destroy()


@pytest.fixture(scope="session")
def chat(make_chat: MakeChat) -> ChatCluster:
    """Two workers, an embedded Redis, SQLite: what `make run` gives."""
    return make_chat()
