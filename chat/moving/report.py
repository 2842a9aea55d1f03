"""What a move could not take as it was, and why: counted, with the first few of each kind as samples. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

SAMPLES = 10
SAMPLE_CHARS = 120


class Report:
    """done() counts what was taken; note() what was changed or left, with where it stands."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self._samples: dict[str, list[str]] = {}

    def done(self, what: str, count: int = 1) -> None:
        self.taken[what] += count

    def note(self, why: str, where: str) -> None:
        """`why` is one of a few sentences; `where` names the row."""
        self.noted[why] += 1
        samples = self._samples.setdefault(why, [])
        if len(samples) < SAMPLES:
            samples.append(where if len(where) <= SAMPLE_CHARS else f"{where[:SAMPLE_CHARS]}…")

    def lines(self) -> Iterator[str]:
        """For people."""
        for what, count in sorted(self.taken.items()):
            yield f"{count:>9,}  {what}"
        if self.noted:
            yield "Not taken as it was:"
        for why, count in self.noted.most_common():
            yield f"{count:>9,}  {why}"
            for sample in self._samples[why]:
                yield f"{'':>13}{sample}"
            if count > len(self._samples[why]):
                yield f"{'':>13}…"
