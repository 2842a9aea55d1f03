"""A command that never outlives the process that started it, however that one ends. For the embedded Redis and chores.

`python leash.py PARENT COMMAND…` runs it. On Linux the kernel ends it with its parent: the death signal survives the
exec. Elsewhere this process stays, runs the command as its child, and looks whether the parent is still there. A
program of its own, since code between fork and exec in a process with threads may hang. Standard library only: it runs
without site-packages, to start quickly.
"""

import ctypes
import os
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
LOOK_S = 0.2


def leashed(*command: str) -> tuple[str, ...]:
    """The command as a child of this process; start it in a session of its own, and end it with kill()."""
    # -I -S: no site-packages, so it costs some 15 ms.
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


def kill(pid: int) -> None:
    """End what was started as leashed(), at once. May be repeated, and said of one that has ended.

    The whole session, because where this program stays the command is its child.
    """
    try:  # noqa: SIM105  contextlib would have to be imported at each start
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left; macOS forbids to signal those who wait to be buried


def ask_death_signal(number: int) -> bool:
    """Ask the kernel to send this process a signal when its parent dies. False: this kernel knows no such thing."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return bool(prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) == 0)


def watch_over(parent: int, command: list[str]) -> int:
    """Run the command until it ends by itself or the parent is gone; its exit code as a shell would give it."""
    import subprocess  # where the kernel holds the leash its import would be half of the start

    child = subprocess.Popen(command)  # noqa: S603  that is what this program is for
    while (code := child.poll()) is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(LOOK_S)
    return code if code >= 0 else 128 - code


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if not ask_death_signal(signal.SIGKILL):
        sys.exit(watch_over(parent, command))
    if os.getppid() == parent:  # else it died before the kernel was asked
        os.execv(command[0], command)  # noqa: S606  that is what this program is for


if __name__ == "__main__":
    main()
