"""Clusters for the tests of this folder: own() starts one that ends with its test."""

import pytest

from tests.support.cluster import RunningCluster


@pytest.fixture
def own(tmp_path):
    """Start clusters of one's own; they are ended with the test."""
    started = []

    def start(**options):
        started.append(RunningCluster(tmp_path, **options))
        return started[-1]

    yield start
    for found in started:
        found.destroy()
