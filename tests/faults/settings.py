"""Settings of a host in the tests of faults: those of live tests, and it records what its replicas do."""

import os
from pathlib import Path

from tests.faults import recording
from tests.support.live_settings import *  # noqa: F403

recording.install(Path(os.environ["FAULTS_RECORDS"]))
