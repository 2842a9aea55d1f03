"""What a server asks of its machine before it starts."""

import resource

import pytest

from reaktor.cluster.composition import raise_descriptor_limit


class Kernel:
    """Open files as a kernel gives them: `most` is what it accepts, whatever it calls the hard limit."""

    def __init__(self, soft, hard, most):
        self.limits, self.most = (soft, hard), most

    def getrlimit(self, kind):
        return self.limits

    def setrlimit(self, kind, wanted):
        if wanted[0] > self.most:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = wanted


@pytest.mark.parametrize(
    ("soft", "hard", "most", "expected"),
    [
        (1_024, 65_536, 65_536, 65_536),
        (256, resource.RLIM_INFINITY, 24_576, 16_384),
        (256, resource.RLIM_INFINITY, 200, 256),
        (65_536, 65_536, 65_536, 65_536),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 24_576, resource.RLIM_INFINITY),
    ],
    ids=["Linux", "macOS", "refused", "nothing to raise", "no limit"],
)
def test_as_many_open_files_are_asked_for_as_the_kernel_gives(monkeypatch, soft, hard, most, expected):
    kernel = Kernel(soft, hard, most)
    monkeypatch.setattr(resource, "getrlimit", kernel.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", kernel.setrlimit)
    raise_descriptor_limit()
    assert kernel.limits == (expected, hard)
