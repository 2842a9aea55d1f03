"""The image of docker/Dockerfile, built and run without an engine's daemon: by buildah, as root, in chroots.

prepare_base() makes the image that the Dockerfile begins with from Debian's own packages, once; build() builds ours on
it; Container runs it with the user, environment, volumes and entry point that the image names. Whatever pip and apt of
this machine are configured to use, the build uses, too. Everything is kept in one directory (IMAGE_STORE, or the user's
cache), and the base with it: the next build starts from there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"
NAME = "localhost/reaktor-test"
UID = 10001
LONG_S = 1_800
"""For what downloads: the base, and the build."""
CERTIFICATES = Path("/etc/ssl/certs")


def store() -> Path:
    """Where images are kept between runs."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("IMAGE_STORE") or Path(cache) / "reaktor-images")


def buildah(*words: str | Path, timeout_s: float = 120) -> str:
    """What one command prints. Raises CalledProcessError, with all it said."""
    done = subprocess.run(_command(*words), capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise AssertionError(f"buildah {words[0]} failed:\n{done.stdout[-6_000:]}\n{done.stderr[-6_000:]}")
    return done.stdout.strip()


def _command(*words: str | Path) -> list[str]:
    where = store()
    # vfs: the one driver that needs nothing of the kernel and works inside of a container.
    options = ["--root", where / "images", "--runroot", where / "run", "--storage-driver", "vfs"]
    return [str(word) for word in ("buildah", *options, *words)]


# -- The base -----------------------------------------------------------------------------------------------------


def base_name() -> str:
    """What the Dockerfile begins with: `python:3.11-slim-bookworm`."""
    names = set(re.findall(r"(?m)^FROM (\S+)", DOCKERFILE.read_text()))
    assert len(names) == 1, "all stages begin with one base"
    return str(names.pop())


def prepare_base() -> None:
    """Make it where it is not there yet: Debian of that name with its Python, under the name that is asked for."""
    name = f"docker.io/library/{base_name()}"
    if subprocess.run(_command("inspect", "--type", "image", name), capture_output=True, check=False).returncode == 0:
        return
    version, suite = re.fullmatch(r"python:([\d.]+)-slim-(\w+)", base_name()).groups()  # type: ignore[union-attr]
    container = buildah("from", "scratch")
    try:
        place = buildah("mount", container)
        packages = "python3,python3-venv,python-is-python3,ca-certificates"
        words = ["debootstrap", "--variant=minbase", f"--include={packages}", suite, place, mirror(suite)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=LONG_S, check=False)
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
        found = subprocess.run(["chroot", place, "python", "--version"], capture_output=True, text=True, check=True)
        assert found.stdout.startswith(f"Python {version}."), f"{suite} has {found.stdout}"
        buildah("umount", container)
        buildah("commit", "--quiet", "--format", "docker", container, name, timeout_s=LONG_S)
    finally:
        buildah("rm", container)


def mirror(suite: str) -> str:
    """Where this machine's apt finds that suite of Debian, else where everybody does."""
    with suppress(FileNotFoundError):
        words = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        found = [line.split()[0] for line in done.stdout.splitlines() if line.endswith(f" {suite}")]
        if found:
            return found[0]
    return "http://deb.debian.org/debian"


# -- The build ----------------------------------------------------------------------------------------------------


def build() -> None:
    """Build the Dockerfile. In Docker's own format: the other one has no room for HEALTHCHECK."""
    prepare_base()
    with clients_of_this_machine() as mounts:
        buildah(
            "bud", "--quiet", "--format", "docker", "--isolation", "chroot", "--network", "host", "--pull-never",
            *mounts, "--tag", NAME, "--file", DOCKERFILE, ROOT, timeout_s=LONG_S,
        )  # fmt: skip


@contextmanager
def clients_of_this_machine() -> Iterator[list[str]]:
    """Options that let pip in the build find what pip finds here: its settings, and the files that they name.

    Proxies travel by themselves. An engine on a machine of its own needs none of this.
    """
    folder = store() / "clients"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        (folder / "pip.conf").write_text("[global]\n" + "".join(f"{k} = {v}\n" for k, v in pip_settings().items()))
        mounted = {folder / "pip.conf": "/etc/pip.conf"}
        # Whom this machine trusts, and what its settings lead to: under the same paths.
        named = [word for value in pip_settings().values() for word in value.split()]
        # An index in a directory leads to packages beside it.
        indexes = [Path(word.removeprefix("file://")).parent for word in named if word.startswith("file://")]
        for path in (CERTIFICATES, *indexes, *map(Path, named)):
            if path.is_absolute() and path.exists() and not any(path.is_relative_to(each) for each in mounted):
                mounted[path] = str(path)
        yield [word for source, target in mounted.items() for word in ("--volume", f"{source}:{target}:ro")]
    finally:
        shutil.rmtree(folder)


def pip_settings() -> dict[str, str]:
    """What pip of this machine was told, by files and by variables."""
    done = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=60, check=True
    )
    found = re.findall(r"(?m)^(?:global|install|:env:)\.([\w-]+)='(.*)'$", done.stdout)
    return {name: value.encode().decode("unicode_escape") for name, value in found}


# -- Running it ---------------------------------------------------------------------------------------------------


def configuration() -> dict[str, Any]:
    """The image's own configuration, in Docker's words: User, Env, Entrypoint, Cmd, Volumes, Healthcheck."""
    return dict(json.loads(buildah("inspect", "--type", "image", NAME))["Docker"]["config"])


class Container:
    """One container of the image: its root file system, and processes in it. remove() at the end."""

    def __init__(self, environment: Mapping[str, str], data: Path, log: Path) -> None:
        self.log, self._log = log, log.open("ab")
        self.name = buildah("from", "--pull-never", NAME)
        given = [word for name, value in environment.items() for word in ("--env", f"{name}={value}")]
        self._options = [
            "--isolation", "chroot", "--network", "host", "--volume", f"{data}:/data", "--mount",
            "type=tmpfs,destination=/tmp", *given,
        ]  # fmt: skip

    def start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        """A process in it, as the image's user; what it says goes to the log."""
        command = _command("run", *self._options, self.name, "--", *words)
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)

    def check(self, words: Sequence[str], timeout_s: float) -> bool:
        """Whether a command in it succeeds in time."""
        return self.start(words).wait(timeout_s) == 0

    def root(self) -> Path:
        """Its root file system, seen from here."""
        return Path(buildah("mount", self.name))

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def remove(self) -> None:
        self._log.close()
        buildah("rm", self.name)


def supervisor(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The server's first process below this one: what an engine would send its signals to."""
    for each in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if each.uids().real == UID and each.cmdline()[-1:] == ["runcluster"]:
                return each
    raise AssertionError("nothing serves")


def stop(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """As an engine does it: SIGTERM, and nothing else for as long as compose.yaml says. Its exit code."""
    supervisor(process).send_signal(signal.SIGTERM)
    return process.wait(grace_s)
