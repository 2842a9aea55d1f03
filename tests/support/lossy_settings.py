"""Settings of a live server whose workers' bus loses messages while the file `loss` in its data directory says so."""

from tests.support.live_settings import *  # noqa: F403
from tests.support.live_settings import CHANNEL_LAYERS, DATA_DIR, IS_WORKER  # type: ignore[attr-defined]

if IS_WORKER:
    CHANNEL_LAYERS["default"]["BACKEND"] = "tests.support.lossy_layer.LossyRedisLayer"
    CHANNEL_LAYERS["default"]["CONFIG"]["chance_file"] = DATA_DIR / "loss"
