"""What the server does, in figures, and beside other servers."""

import sys

if sys.platform != "linux":
    sys.exit("The benchmarks need Linux: they hold processes on cores, and read in /proc what these used.")
