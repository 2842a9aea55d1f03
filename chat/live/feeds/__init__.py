"""The open feeds of this process: one ordered stream for each channel that has members here.

Feeds opens them, answers from them and delivers what they have made ready. Upkeep keeps them whole and closes them. The
rest of the package is these two's own.
"""

from chat.live.feeds.open_feeds import Feeds
from chat.live.feeds.upkeep import Upkeep

__all__ = ["Feeds", "Upkeep"]
