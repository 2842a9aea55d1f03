"""The cases of Autobahn's test suite, as its own fuzzing client judges them: `make autobahn`.

They go three ways to an echo: an application that takes messages as they are read, one that waits in receive(), and
one of another worker behind the relay. Without Python 2.7, which the suite needs, all of this is skipped, and says so.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.autobahn import Fuzzer, NoPython27Error, Verdict, install_suite
from tests.support.ports import free_port, is_listening, wait_for

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("autobahn")]

WAYS = ("at-once", "receive", "relayed")
CASES = [f"{number}.*" for number in range(1, 11)]
COUNT = 301
INFORMATIONAL = {"7.1.6", "7.13.1", "7.13.2"}
COMPRESSED = ["12.1.1", "13.1.1"]
"""One of each kind. They can't run as long as no compression is offered."""
WHOLE_RUN_S = 1_500.0

Verdicts = dict[str, dict[str, Verdict]]


@contextlib.contextmanager
def echo_server(*arguments: str) -> Iterator[str]:
    """A running tests.support.websocket_echo; its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.support.websocket_echo", str(port), *arguments])
    try:
        wait_for(lambda: is_listening(port), 30, "the echo server listens")
        yield f"ws://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """What each case came to, for each way. All run side by side: most of their time the cases wait."""
    try:
        python = install_suite()
    except NoPython27Error as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("autobahn")
    socket = str(directory / "echo.sock")
    with (
        echo_server("--unix", socket) as echo,
        echo_server("--relay-to", socket) as relay,
        contextlib.ExitStack() as ends,
    ):
        fuzzers = {}
        for way in WAYS:
            (directory / way).mkdir()
            url = f"{relay if way == 'relayed' else echo}/{way}"
            fuzzers[way] = Fuzzer(python, url, directory / way, [*CASES, *COMPRESSED])
            ends.callback(fuzzers[way].end)
        yield {way: fuzzer.verdicts(WHOLE_RUN_S) for way, fuzzer in fuzzers.items()}


@pytest.mark.parametrize("way", WAYS)
def test_every_case_is_ok_and_none_is_only_non_strict(verdicts: Verdicts, way: str) -> None:
    found = {case: verdict for case, verdict in verdicts[way].items() if case not in COMPRESSED}
    assert len(found) == COUNT
    bad = {
        case: verdict
        for case, verdict in found.items()
        if {verdict.behavior, verdict.close} != {"INFORMATIONAL" if case in INFORMATIONAL else "OK"}
    }
    assert not bad


@pytest.mark.parametrize("way", WAYS)
def test_what_the_suite_leaves_open_is_as_we_have_it(verdicts: Verdicts, way: str) -> None:
    """Both messages before a close are answered first, and close codes that nobody may send are an error."""
    assert verdicts[way]["7.1.6"].received == 2
    assert [verdicts[way][case].close_code for case in ("7.13.1", "7.13.2")] == [1002, 1002]


@pytest.mark.parametrize("way", WAYS)
def test_no_compression_is_agreed_on(verdicts: Verdicts, way: str) -> None:
    assert [verdicts[way][case].behavior for case in COMPRESSED] == ["UNIMPLEMENTED", "UNIMPLEMENTED"]
