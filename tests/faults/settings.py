"""Settings of a host in the tests of faults: those of live tests, and it records what its replicas do."""

import os
from pathlib import Path

from tests.faults import clocks, recording
from tests.support.live_settings import *  # noqa: F403

if "LD_PRELOAD" in os.environ:
    clocks.mend_sleep()
recording.install(Path(os.environ["FAULTS_RECORDS"]))
