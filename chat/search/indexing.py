"""The steps by which the index follows the messages. Each may be repeated, or die at any point, and nothing is lost.

Every change of a message takes its channel's next seq under the channel's lock, so what is missing in the index is what
stands above one seq of each channel (SearchPlace), and above none that is committed later. Which channels to look at is
told by hints: the newest ids, and the journal of edits. A hint may be missing (a transaction that committed late, a
host with another clock): all channels are compared, a slice at a time.

What is read is stored only if the place is still where it was: of two processes that index the same, one stores.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection, transaction

from chat.domain.search import lexemes, marks_of
from chat.models import SearchPlace, message_search
from chat.models.message_search import Entry
from reaktor.db import driver
from reaktor.db.columns import uuid_from_column, uuid_text, uuid_to_column

CHANGES = 200
"""So many changes of a channel are read at once, so many messages stored in one transaction."""
CHANNELS = 16
"""At once: a worker that reads the texts of many serves people as well."""
SLICE = 900
JOURNAL = 900
LATE_S = 5.0
"""A message is seen by its id so long after it was given one; later, when its channel's slice comes."""


class Behind(NamedTuple):
    """A channel of which the index knows what changed up to `place` (None: nothing yet), and not up to `head`."""

    channel_id: int
    place: int | None
    head: int


class Step(NamedTuple):
    """What was read of a channel, to be stored if its place is still `before`. `is_back`: that of older messages."""

    channel_id: int
    before: int
    after: int
    entries: list[Entry]
    gone: list[uuid.UUID]
    is_back: bool = False
    is_last: bool = True
    """Nothing more is known to be missing."""


# -- Where something is missing -------------------------------------------------------------------------------------


def behind_by_newest(now: float) -> list[Behind]:
    """Channels in which something was posted just now. `now`: Unix seconds, by whatever clock."""
    newest = driver.select("SELECT id FROM chat_message ORDER BY id DESC LIMIT 1")
    if not newest:
        return []
    newest_ms = uuid_from_column(newest[0][0]).int >> 80
    # The clock of whoever gave the newest id may be ahead of the others', and so may ours.
    since_ms = max(min(newest_ms, int(now * 1000)) - int(LATE_S * 1000), 0)
    return _behind(
        "c.id IN (SELECT channel_id FROM chat_message WHERE id >= %s)", [uuid_to_column(uuid.UUID(int=since_ms << 80))]
    )


def journal_waits() -> bool:
    """Whether journal_take() would find something. One look at an index."""
    return bool(driver.select("SELECT id FROM chat_searchchange LIMIT 1"))


def journal_take() -> list[Behind]:
    """Channels in which texts were edited or deleted. Writes: takes them out of the journal, which has hints alone."""
    with transaction.atomic():
        taken = driver.select(
            "DELETE FROM chat_searchchange WHERE id IN (SELECT id FROM chat_searchchange ORDER BY id LIMIT %s) "
            "RETURNING channel_id",
            [JOURNAL],
        )
    ids = {channel_id for (channel_id,) in taken}
    return _behind(f"c.id IN ({', '.join(['%s'] * len(ids))})", list(ids)) if ids else []


def behind_in_slice(after: int) -> tuple[list[Behind], int]:
    """(those of the next SLICE channels behind the id `after`, where to go on; 0: from the start)."""
    last, count = driver.select(
        "SELECT max(id), count(*) FROM (SELECT id FROM chat_channel WHERE id > %s ORDER BY id LIMIT %s) AS slice",
        [after, SLICE],
    )[0]
    if not count:
        return [], 0
    return _behind("c.id > %s AND c.id <= %s", [after, last]), last if count == SLICE else 0


def _behind(where: str, parameters: Sequence[object]) -> list[Behind]:
    """`where` is this module's own text."""
    found = driver.select(
        "SELECT c.id, p.seq, c.seq FROM chat_channel c LEFT JOIN chat_searchplace p ON p.channel_id = c.id "  # noqa: S608  ours
        f"WHERE {where} AND (p.seq IS NULL OR p.seq < c.seq) ORDER BY c.id LIMIT %s",
        [*parameters, SLICE],
    )
    return [Behind(*row) for row in found]


def places_begin(channel_ids: Iterable[int]) -> None:
    """From now on changes there are followed. What was said before is still to be indexed: at once where it is little,
    else by and by. Writes.
    """
    ids = list(channel_ids)
    with transaction.atomic():
        driver.execute(
            "INSERT INTO chat_searchplace (channel_id, seq, back) "  # noqa: S608  placeholders only
            "SELECT id, CASE WHEN number <= %s THEN 0 ELSE seq END, CASE WHEN number <= %s THEN 0 ELSE number END "
            f"FROM chat_channel WHERE id IN ({', '.join(['%s'] * len(ids))}) ON CONFLICT (channel_id) DO NOTHING",
            [CHANGES, CHANGES, *ids],
        )


# -- What is missing there ------------------------------------------------------------------------------------------

_COLUMNS = "id, channel_id, author_id, text, deleted_at IS NOT NULL, files IS NOT NULL"


def changes_read(behind: Sequence[Behind], most: int = CHANGES) -> list[Step]:
    """The next changes of these channels, at most CHANNELS; `most`: of each."""
    pairs = [(each.channel_id, each.place) for each in behind if each.place is not None]
    rows: dict[int, list[tuple[object, ...]]] = {channel_id: [] for channel_id, _ in pairs}
    if connection.vendor == "sqlite":
        for channel_id, place in pairs:
            rows[channel_id] = driver.select(
                f"SELECT changed_seq, {_COLUMNS} FROM chat_message "  # noqa: S608  ours
                "WHERE channel_id = %s AND changed_seq > %s ORDER BY changed_seq LIMIT %s",
                [channel_id, place, most],
            )
    else:
        for row in driver.select(
            f"SELECT m.* FROM unnest(%s::bigint[], %s::bigint[]) AS w(channel, place) CROSS JOIN LATERAL "  # noqa: S608  ours
            f"(SELECT changed_seq, {_COLUMNS} FROM chat_message WHERE channel_id = w.channel "
            "AND changed_seq > w.place ORDER BY changed_seq LIMIT %s) m",
            [[channel_id for channel_id, _ in pairs], [place for _, place in pairs], most],
        ):
            rows[row[2]].append(row)
    steps = []
    for each in behind:
        if each.place is None:
            continue
        found = rows[each.channel_id]
        last = int(str(found[-1][0])) if found else 0
        is_last = len(found) < most
        # The head was read before: whatever is below it was there to be read.
        after = max(each.head, last) if is_last else last
        steps.append(_step(each.channel_id, each.place, after, found, is_last=is_last))
    return steps


def older_read(after_channel: int) -> Step | None:
    """The newest of what is still to be indexed of the next channel behind that id, in turns; None: nothing is."""
    for above in (after_channel, 0):
        found = SearchPlace.objects.filter(back__gt=0, channel_id__gt=above).order_by("channel_id")
        for channel_id, back in found.values_list("channel_id", "back")[:1]:
            rows = driver.select(
                f"SELECT number, {_COLUMNS} FROM chat_message "  # noqa: S608  ours
                "WHERE channel_id = %s AND number <= %s ORDER BY number DESC LIMIT %s",
                [channel_id, back, CHANGES],
            )
            after = int(rows[-1][0]) - 1 if len(rows) == CHANGES else 0
            return _step(channel_id, back, after, rows, is_back=True)
    return None


def _step(
    channel_id: int,
    before: int,
    after: int,
    rows: Sequence[tuple[object, ...]],
    *,
    is_back: bool = False,
    is_last: bool = True,
) -> Step:
    entries: list[Entry] = []
    gone: list[uuid.UUID] = []
    for _, pk, _, author_id, text, is_deleted, has_files in rows:
        message_id = uuid_from_column(pk)
        if is_deleted:
            gone.append(message_id)
        else:
            marks = marks_of(message_id, channel_id, uuid_text(author_id), str(text), has_files=bool(has_files))
            entries.append(Entry(message_id, channel_id, [*lexemes(str(text)), *marks]))
    return Step(channel_id, before, after, entries, gone, is_back, is_last)


# -- Storing --------------------------------------------------------------------------------------------------------


def steps_store(steps: Sequence[Step]) -> int:
    """Store what was read, and how far that is; how many messages. One transaction. Writes."""
    with transaction.atomic():
        ours = _moved(steps)
        entries = [entry for step in ours for entry in step.entries]
        message_search.store(entries)
        message_search.forget([message_id for step in ours for message_id in step.gone])
    return len(entries)


def _moved(steps: Sequence[Step]) -> list[Step]:
    """Those whose places are still where they were; from now on they are where the steps end."""
    wanted = [step.channel_id for step in steps]
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    places = {
        channel_id: (seq, back)
        for channel_id, seq, back in driver.select(
            "SELECT channel_id, seq, back FROM chat_searchplace "  # noqa: S608  placeholders only
            f"WHERE channel_id IN ({', '.join(['%s'] * len(wanted))}) ORDER BY channel_id{lock}",
            wanted,
        )
    }
    ours = [step for step in steps if places.get(step.channel_id, (None, None))[step.is_back] == step.before]
    for name, is_back in (("seq", False), ("back", True)):
        moved = [(step.after, step.channel_id) for step in ours if step.is_back is is_back]
        if moved:
            driver.update_rows("chat_searchplace", (name,), moved, key="channel_id")
    return ours


def index_forget() -> None:
    """All of it is to be made anew, by whoever keeps it. Writes."""
    with transaction.atomic():
        SearchPlace.objects.all().delete()
        message_search.clear()


class State(NamedTuple):
    """In how many channels something is to be indexed, and about how many messages of before there was an index."""

    behind: int
    older: int


def index_state() -> State:
    """Counts all channels: for a command."""
    ((behind, older),) = driver.select(
        "SELECT coalesce(sum(CASE WHEN p.seq IS NULL AND c.seq > 0 OR p.seq < c.seq THEN 1 ELSE 0 END), 0), "
        "coalesce(sum(CASE WHEN p.seq IS NULL THEN c.number ELSE p.back END), 0) "
        "FROM chat_channel c LEFT JOIN chat_searchplace p ON p.channel_id = c.id"
    )
    return State(int(behind), int(older))


def index_now() -> int:
    """Index whatever is missing, in this thread, to the end; how many messages were looked at. For commands."""
    indexed, after, is_over = 0, 0, False
    while not is_over:
        behind, following = behind_in_slice(after)
        if new := [each.channel_id for each in behind if each.place is None]:
            places_begin(new)
            continue  # the same slice, with places
        for at in range(0, len(behind), CHANNELS):
            for step in changes_read(behind[at : at + CHANNELS]):
                indexed += steps_store([step])
        # What was more than one step is still behind.
        if not behind:
            after, is_over = following, following == 0
    older = 0
    while (step_back := older_read(older)) is not None:
        indexed += steps_store([step_back])
        older = step_back.channel_id
    return indexed
