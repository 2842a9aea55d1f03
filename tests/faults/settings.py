"""Settings of a host in the tests of faults: those of live tests, and it records what its replicas do.

`FAULTS_HELLO_S`: how long workers have to say Hello to a new authority, where the machine is too slow for the usual.
"""

import os
from dataclasses import replace
from pathlib import Path

from tests.faults import clocks, recording
from tests.support.live_settings import *  # noqa: F403

if "LD_PRELOAD" in os.environ:
    clocks.mend_sleep()
if "FAULTS_HELLO_S" in os.environ:
    slow = replace(REAKTOR.membership, hello_s=float(os.environ["FAULTS_HELLO_S"]))  # noqa: F405
    REAKTOR = replace(REAKTOR, membership=slow)  # noqa: F405
recording.install(Path(os.environ["FAULTS_RECORDS"]))
