"""`python leash.py PARENT COMMAND…`: run a command that the kernel ends (SIGKILL) when its parent process dies.

For the embedded Redis. A program of its own, since code between fork and exec in a process with threads may hang; the
death signal survives the exec. Standard library only: it runs without site-packages, to start quickly.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == parent:  # else it died before the kernel was asked
        os.execv(command[0], command)  # noqa: S606  that is what this program is for


if __name__ == "__main__":
    main()
