"""`clusterctl reload --all`: which hosts have their turn, in which order, and where it stops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.reload_all import reload_all


class Cluster:
    """Stands for the supervisor beside the command. `fails`: what a host says to a ping or to a reload."""

    def __init__(self, *names: str, own: str) -> None:
        self.own, self.lives = own, dict.fromkeys(names, 1)
        self.numbers = {name: number for number, name in enumerate(names, 1)}
        self.fails: dict[tuple[str, str], str] = {}
        self.meanwhile: dict[str, dict[str, int]] = {}
        self.pinged: list[str] = []
        self.reloaded: list[str] = []

    def __call__(self, request: Mapping[str, Any]) -> Any:
        if request["do"] == "status":
            return {"hosts": [self._shown(name) for name in self.numbers]}
        name = next(name for name, number in self.numbers.items() if number == request["host"])
        do = request["order"]["do"]
        assert request["life"] == self.lives[name]
        if reason := self.fails.get((name, do)):
            raise SupervisorError(reason)
        (self.pinged if do == "ping" else self.reloaded).append(name)
        if do == "reload":
            for other, life in self.meanwhile.get(name, {}).items():
                self.lives[other] = life
                self.numbers.setdefault(other, len(self.numbers) + 1)
        return {} if do == "ping" else {"reloaded": [1, 2]}

    def _shown(self, name: str) -> dict[str, Any]:
        life = self.lives[name]
        return {
            "name": name, "number": self.numbers[name], "life": life, "is_alive": life > 0, "is_own": name == self.own
        }  # fmt: skip


def test_this_host_comes_first_then_each_other_one() -> None:
    cluster, said = Cluster("a", "b", "c", own="b"), list[str]()
    found = reload_all(cluster, said.append)
    assert cluster.reloaded == ["b", "a", "c"]
    assert said == ["b: replaced 2 workers.", "a: replaced 2 workers.", "c: replaced 2 workers."]
    assert [each["host"] for each in found] == ["b", "a", "c"]


def test_a_host_that_does_not_answer_keeps_all_from_being_replaced() -> None:
    cluster = Cluster("a", "b", "c", own="a")
    cluster.fails["c", "ping"] = "It does not answer."
    with pytest.raises(SupervisorError, match=r"Host c: It does not answer\. Nothing was replaced anywhere\."):
        reload_all(cluster, pytest.fail)
    assert cluster.reloaded == []


def test_where_a_host_fails_the_others_stay_as_they_are_and_are_named() -> None:
    cluster, said = Cluster("a", "b", "c", own="a"), list[str]()
    cluster.fails["b", "reload"] = "Reload stopped: worker 1.2 exited with code 1. The old workers go on."
    with pytest.raises(SupervisorError, match=r"Host b: Reload stopped: .* The old workers go on\. Not replaced: c\."):
        reload_all(cluster, said.append)
    assert (cluster.reloaded, said) == (["a"], ["a: replaced 2 workers."])


def test_who_comes_meanwhile_has_a_turn_who_starts_anew_has_one_and_who_ends_has_none() -> None:
    cluster, said = Cluster("a", "b", "c", own="a"), list[str]()
    cluster.meanwhile["a"] = {"b": 0, "c": 2, "d": 1}
    reload_all(cluster, said.append)
    assert cluster.reloaded == ["a", "c", "d"]
    assert said[-1] == "b: it ended meanwhile, and will start with what is installed there."


def test_a_server_that_knows_no_host_yet_says_so() -> None:
    with pytest.raises(SupervisorError, match="does not know its hosts yet"):
        reload_all(Cluster(own=""), pytest.fail)
