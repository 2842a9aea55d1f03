"""A real cluster in processes of its own, for tests: start it, ask it, hurt it, and see that nothing is left."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from reaktor.cluster.control import ask
from reaktor.cluster.failures import ClusterError
from reaktor.cluster.rundir import RunDir
from tests.support.ports import free_port, is_listening, wait_for

SOURCES = [f"127.0.0.{number}" for number in range(1, 9)]
SAID_LINES = 60
MACHINERY = (sys.executable, "-m", "tests.support.run_cluster")


class RunningCluster:
    """One supervisor process and what it started. `process` is the supervisor's.

    `tree`: where its code is, from its next start on; None: here.
    """

    tree: Path | None = None

    def __init__(self, directory: Path, command=MACHINERY, prefix=(), **environment):
        self.port = int(environment.get("PORT") or free_port())
        self.directory = directory
        self.run_dir = RunDir(directory / "run" / str(self.port))
        self.log = directory / f"log-{self.port}"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.support.cluster_settings",
            "DATA_DIR": str(directory),
            "PORT": str(self.port),
            "LIMITS": "off",
            # One process less that boots beside what is tested; the tests of spares ask for one.
            "SPARE_WORKERS": "0",
            **environment,
        }
        self.environment.pop("REDIS_URL", None) if "REDIS_URL" not in environment else None
        self._command = [*prefix, *command]
        self.family: set[psutil.Process] = set()
        self.start()

    def start(self):
        """Start it; again, on the same data and port, once it has ended."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self.environment, stdout=log, stderr=log, start_new_session=True, cwd=self.tree
            )

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self):
        return f"ws://127.0.0.1:{self.port}"

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_serving(self, seconds=20):
        wait_for(lambda: "Reaktor is listening" in self.said() or self.process.poll() is not None, seconds, "serving")
        assert self.process.poll() is None, self.said()
        self.remember_family()
        return self

    def remember_family(self):
        """Note every process of the cluster, to see later that none is left."""
        with suppress(psutil.NoSuchProcess):
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def order(self, **request):
        return ask(self.run_dir, request, 60)

    def status(self):
        return self.order(do="status")

    def workers(self):
        """Ready workers by slot."""
        try:
            found = self.status()["workers"]
        except ClusterError:
            return {}
        self.remember_family()
        return {worker["slot"]: worker for worker in found if worker["state"] == "ready"}

    def wait_workers(self, count, newer_than=None, seconds=20):
        """Wait until `count` workers are ready and nobody else is alive (and none is in `newer_than`)."""
        old = {worker["pid"] for worker in (newer_than or {}).values()}

        def settled():
            alive = self.status()["workers"]
            ready = self.workers()
            return len(alive) == len(ready) == count and not old & {w["pid"] for w in ready.values()} and ready

        return wait_for(settled, seconds, f"{count} ready workers")

    def who(self, source="127.0.0.1", host="127.0.0.1"):
        """What the worker of an address says of itself."""
        host = f"[{host}]" if ":" in host else host
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=15) as client:
            return client.get(f"http://{host}:{self.port}/who").json()

    def left(self):
        """Processes of the cluster that still run."""
        alive = []
        for process in self.family:
            with suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive

    def wait_nothing_left(self, seconds):
        wait_for(lambda: not self.left(), seconds, f"the end of {self.left()}")
        wait_for(lambda: not is_listening(self.port), 1, "the port to be free")

    def wait_exit(self, seconds):
        """Wait for the supervisor's end; its exit code."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.said()}") from None

    def stop(self):
        """An orderly end; returns the exit code."""
        self.remember_family()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait_exit(15)

    def destroy(self):
        """Whatever is left, by its own pid. Of a test that failed, pytest shows what is printed here."""
        if self.process.poll() is None:
            self.remember_family()
            with suppress(AssertionError):
                self.stop()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.left():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if "PYTEST_CURRENT_TEST" in os.environ:
            print(*self.said().splitlines()[-SAID_LINES:], sep="\n")


@contextmanager
def running_cluster(directory, **options):
    cluster = RunningCluster(directory, **options)
    try:
        yield cluster.wait_serving()
    finally:
        cluster.destroy()


def clusterctl(cluster, *arguments):
    """(exit code, stdout, stderr) of the command, run as an operator would."""
    done = subprocess.run(
        [sys.executable, "manage.py", "clusterctl", *arguments],
        env={**cluster.environment, "DJANGO_SETTINGS_MODULE": "reaktor.settings.test"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def as_json(text):
    return json.loads(text)


def elapsed(since):
    return time.monotonic() - since
