"""The laws: what holds in every history, whatever was done to the hosts. Pure: a History goes in, broken laws come out.

A law is a function that yields a sentence for each breach; LAWS names them all. A new law is one function more.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest

from tests.faults.history import Carried, History, Stay
from tests.faults.schedule import Kind

PATIENCE_S = 45.0
"""How long nothing may come on what a host relays: a heartbeat and its answer."""
PONG_S = 20.0
"""How long a client may take to answer a heartbeat: it may have been sent as the cut began."""
SAID_S = 2.0
"""Something is said in each channel within so long."""
RETURN_S = 10.0
"""Who left is seen leaving within so long, unless they are back."""

Law = Callable[[History], Iterator[str]]


def check(history: History) -> dict[str, list[str]]:
    """Each broken law, by its sentence, with its breaches. Empty: all hold."""
    found = {sentence: list(law(history)) for sentence, law in LAWS.items()}
    return {sentence: breaches for sentence, breaches in found.items() if breaches}


# -- who decides ----------------------------------------------------------------------------------------------------


def one_holder(history: History) -> Iterator[str]:
    for rest in history.rests:
        if len(rest.serving) != 1:
            yield f"after {rest.after}: {sorted(rest.serving)} decide"
        for host, seen in rest.deciding.items():
            if seen != rest.serving:
                yield f"after {rest.after}: host {host} sees {sorted(seen)} decide, not {sorted(rest.serving)}"


def nothing_of_an_older_epoch(history: History) -> Iterator[str]:
    highest: dict[str, int] = defaultdict(int)
    for applied in history.applied:
        confirmed = highest[applied.replica] = max(highest[applied.replica], applied.followed)
        if applied.epoch < confirmed:
            yield f"replica {applied.replica} applied a change of {applied.epoch} after {confirmed} was confirmed"


def replicas_equal_the_authority(history: History) -> Iterator[str]:
    for rest in history.rests:
        for sentence in rest.missing:
            yield f"after {rest.after}: {sentence}"
        for replica, digest in rest.replicas.items():
            if digest != rest.authority:
                yield f"after {rest.after}: replica {replica} is not what the authority has"


# -- people ---------------------------------------------------------------------------------------------------------


def no_ghosts(history: History) -> Iterator[str]:
    for view in history.views:
        if view.members is not None and view.members != history.present[view.channel]:
            differing = sorted(view.members ^ history.present[view.channel])
            yield f"{view.who} in {view.channel} was told otherwise of {differing}"
    for who, channels in history.listed.items():
        for channel, listed in channels.items():
            if listed != history.present[channel]:
                yield f"{who} is shown otherwise in {channel}: {sorted(listed ^ history.present[channel])}"


def nobody_is_locked_out(history: History) -> Iterator[str]:
    yield from history.absent


def nobody_is_ended(history: History) -> Iterator[str]:
    """But for the people of a host that a fault ends. Who of them is back before that is noticed is ended once more, to
    get the place that was theirs.
    """
    for stay in history.stays:
        carried = _carried_at(history, stay.until)
        if stay.until == math.inf or stay.until < history.began:
            continue
        if carried and carried.fault.may_end_sessions and _was_on_target(history, stay.who, carried):
            continue
        if carried and carried.fault.may_cut_relays and _was_relayed_to_target(history, stay.who, carried):
            continue
        if _given_up(history, stay):
            continue
        yield f"{_during(carried)}: {stay.who} on host {stay.host} lost the connection ({stay.why})"


def nobody_is_seen_leaving(history: History) -> Iterator[str]:
    stays = defaultdict(list)
    for stay in history.stays:
        stays[stay.who].append(stay)
    for view in history.views:
        for told in view.told:
            if told.event != "member.left" or told.at < history.began:
                continue
            carried = _carried_at(history, told.at)
            since = carried.began if carried else told.at
            hosts = {
                host
                for stay in stays[told.name]
                if stay.since < told.at and stay.until >= since
                for host in (stay.host, stay.via)
                if host
            }
            may_leave = carried and carried.fault.may_show_leaving and carried.target in hosts
            # What the host knows already comes to the client when TCP tries again.
            is_given_up = any(
                cut.began + PONG_S - SAID_S <= told.at <= stay.until + RETURN_S
                for stay in stays[told.name]
                for cut in _given_up(history, stay)
            )
            if not (may_leave or is_given_up):
                where = ", ".join(sorted(hosts))
                yield f"{_during(carried)}: {view.who} was told that {told.name} on host {where} left"


def joins_are_answered(history: History) -> Iterator[str]:
    for join in history.joins:
        for carried in _faults_between(history, join.asked, join.answered):
            if carried.fault.disables and join.host == carried.target:
                since = carried.undone
            else:
                since = carried.undone if carried.fault.is_service_away else carried.began
            late_s = join.answered - max(since, join.asked)
            if late_s > history.back_s:
                yield f"during {carried.fault.number}: a join on host {join.host} was answered after {late_s:.1f} s"


# -- messages -------------------------------------------------------------------------------------------------------


def acknowledged_is_stored_once(history: History) -> Iterator[str]:
    for channel, stored in history.stored.items():
        if [said.seq for said in stored] != list(range(1, len(stored) + 1)):
            yield f"{channel}: the numbers in the history have holes"
        for text, times in Counter(said.text for said in stored).items():
            if times > 1:
                yield f"{channel}: {text!r} is stored {times} times"
    by_place = {(channel, said.seq): said for channel, stored in history.stored.items() for said in stored}
    for view in history.views:
        for said in view.acked:
            if by_place.get((view.channel, said.seq)) != said:
                yield f"{view.who} in {view.channel}: {said} was acknowledged and is not there"
        if [said.seq for said in view.acked] != sorted(said.seq for said in view.acked):
            yield f"{view.who} in {view.channel}: acknowledged in another order than it was said"


def seen_once_and_in_order(history: History) -> Iterator[str]:
    for view in history.views:
        expected = history.stored[view.channel][view.start :]
        seen = list(dict.fromkeys(view.seen)) if view.may_repeat else view.seen
        for index, (one, other) in enumerate(zip_longest(seen, expected)):
            if one != other:
                yield f"{view.who} in {view.channel}, the {index}th: saw {one} where {other} was said"
                break


def badges_are_right(history: History) -> Iterator[str]:
    for shown in history.shown:
        read = history.read.get((shown.who, shown.channel), 0)
        unread = [said for said in history.stored[shown.channel] if said.seq > read]
        named = sum(said.text.endswith(f" @{shown.who}") for said in unread)
        if (shown.unread, shown.mentions, shown.read_number) != (len(unread), named, read):
            counted = f"{shown.unread} unread and {shown.mentions} mentions above {shown.read_number}"
            found = f"{len(unread)} and {named} above {read}"
            yield f"{shown.who} counts {counted} in {shown.channel}, where there are {found}"


def clients_found_nothing_wrong(history: History) -> Iterator[str]:
    yield from history.breaches


LAWS: Mapping[str, Law] = {
    "exactly one host decides": one_holder,
    "no replica applies a change of an epoch after a higher one was confirmed": nothing_of_an_older_epoch,
    "all replicas equal the authority": replicas_equal_the_authority,
    "nobody is shown who is not there, and everybody who is": no_ghosts,
    "nobody is locked out": nobody_is_locked_out,
    "nobody on a host that lives is ended": nobody_is_ended,
    "nobody on a host that lives is seen leaving": nobody_is_seen_leaving,
    "joins are answered again in time": joins_are_answered,
    "what is acknowledged is stored once, in its order": acknowledged_is_stored_once,
    "what is stored is seen once, in its order": seen_once_and_in_order,
    "who follows a channel knows what is unread there": badges_are_right,
    "what docs/protocol.md promises holds": clients_found_nothing_wrong,
}


def _carried_at(history: History, at: float) -> Carried | None:
    return next((each for each in history.faults if each.began <= at < each.settled), None)


def _given_up(history: History, stay: Stay) -> Sequence[Carried]:
    """The cuts between two hosts for which what one relayed to the other was given up: no heartbeat was answered for
    PONG_S, or nothing came for PATIENCE_S.

    Cuts that follow each other add up: TCP waits twice as long before each further attempt.
    """
    return [
        each
        for each in history.faults
        if each.fault.kind is Kind.CUT_FROM_HOST
        and {each.target, each.other} == {stay.host, stay.via}
        and each.began + PONG_S - SAID_S <= stay.until <= each.undone + PATIENCE_S
    ]


def _was_on_target(history: History, who: str, carried: Carried) -> bool:
    """Whether this is one of those whom the fault met."""
    return any(carried.target in (stay.host, stay.via) for stay in _as_it_began(history, who, carried))


def _was_relayed_to_target(history: History, who: str, carried: Carried) -> bool:
    stays = _as_it_began(history, who, carried)
    return any(stay.host == carried.target and stay.via not in ("", carried.target) for stay in stays)


def _as_it_began(history: History, who: str, carried: Carried) -> Sequence[Stay]:
    return [stay for stay in history.stays if stay.who == who and stay.since < carried.began <= stay.until]


def _during(carried: Carried | None) -> str:
    return f"during {carried.fault.number}" if carried else "while nothing was done"


def _faults_between(history: History, since: float, until: float) -> Sequence[Carried]:
    return [each for each in history.faults if each.began < until and since < each.settled]
