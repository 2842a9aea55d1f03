"""The run directory: one supervisor at a time, private, with socket paths that Redis does not cut."""

import os
import stat
import tempfile

import pytest

from reaktor.cluster.failures import RunDirError
from reaktor.cluster.rundir import MAX_SOCKET_PATH_BYTES, RunDir


def test_a_second_supervisor_is_refused_with_the_first_ones_pid(tmp_path):
    first, second = RunDir(tmp_path / "8000"), RunDir(tmp_path / "8000")
    first.claim(8000)
    with pytest.raises(RunDirError, match=rf"already running on port 8000 \(process {os.getpid()}\)"):
        second.claim(8000)
    first.release()
    second.claim(8000)
    assert second.supervisor()["pid"] == os.getpid()
    second.release()
    assert second.supervisor() is None


def test_what_a_server_tells_of_itself_is_there_until_it_ends(tmp_path):
    run_dir = RunDir(tmp_path / "8000")
    run_dir.claim(8000)
    run_dir.tell(bus="unix:///a/long/path/to/redis.sock")
    run_dir.tell(bus="unix:///short")
    assert run_dir.supervisor() == {**run_dir.supervisor(), "pid": os.getpid(), "port": 8000, "bus": "unix:///short"}
    run_dir.release()
    assert run_dir.supervisor() is None


def test_it_is_private_and_what_a_dead_supervisor_left_is_cleared_away(tmp_path):
    run_dir = RunDir(tmp_path / "run" / "8000")
    run_dir.path.mkdir(parents=True, mode=0o755)
    (run_dir.path / "worker-1.1.sock").touch()
    run_dir.claim(8000)
    assert stat.S_IMODE(run_dir.path.stat().st_mode) == 0o700
    assert list(run_dir.sockets.glob("*.sock")) == []
    run_dir.release()


def test_a_temporary_directory_that_is_too_long_itself_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 80)))
    run_dir = RunDir(tmp_path / ("x" * 100) / "8000")
    run_dir.claim(8000)
    assert len(os.fsencode(run_dir.worker_socket(256, 9_999_999))) <= MAX_SOCKET_PATH_BYTES
    run_dir.release()


def test_sockets_go_to_a_short_private_directory_when_the_path_is_long(tmp_path):
    run_dir = RunDir(tmp_path / ("x" * 100) / "8000")
    run_dir.claim(8000)
    for path in (run_dir.redis_socket, run_dir.control_socket, run_dir.worker_socket(256, 9_999_999)):
        assert len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES
    assert stat.S_IMODE(run_dir.sockets.stat().st_mode) == 0o700
    run_dir.release()
    assert not run_dir.sockets.exists()


def test_a_directory_that_is_none_or_somebody_elses_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunDirError, match="Can't use"):
        RunDir(tmp_path / "file").claim(8000)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    run_dir = RunDir(tmp_path / "link")
    with pytest.raises(RunDirError, match="is not a directory of this user"):
        run_dir.claim(8000)
    run_dir.release()


def test_what_a_supervisor_left_half_written_tells_nothing(tmp_path):
    run_dir = RunDir(tmp_path)
    for left in ("", "[]", '{"pid":'):
        run_dir.supervisor_file.write_text(left)
        assert run_dir.supervisor() is None
