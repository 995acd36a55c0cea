"""Orders on a host that went silent are given up, each once; what comes of them late is taken."""

from concurrent.futures import Future

from allometry.engines.coordinator import Lost
from allometry.engines.futures import Futures
from allometry.engines.ray import _Hosts
from allometry.engines.resources import Needs


def test_an_order_on_a_silent_host_is_lost_once_and_may_be_ordered_again():
    futures, silent = [], []

    def submit(order, needs):
        futures.append(Future())
        return futures[-1]

    workers = Futures(
        submit, lambda: 2, lambda: None, recall=False,
        silent=lambda names: [silent.pop()] if silent else [],
    )  # fmt: skip
    workers.submit("a", b"", Needs())
    workers.submit("b", b"", Needs())
    assert workers.arrived(0.01) == []
    silent.append("a")
    assert workers.arrived(0.01) == [("a", Lost("its host is silent"))]
    assert futures[0].cancelled() and workers.arrived(0.01) == []
    workers.submit("a", b"", Needs())
    futures[2].set_result(b"a")
    futures[1].set_result(b"b")
    assert sorted(workers.arrived(1)) == [("a", b"a"), ("b", b"b")]


def test_only_a_host_that_is_given_up_meanwhile_makes_an_order_silent(monkeypatch):
    alive = {"1": True, "2": True, "3": False}
    hosts = _Hosts(lambda: [{"NodeID": name, "Alive": lives} for name, lives in alive.items()])
    places = {"a": "1", "b": "2", "c": None, "d": "3"}
    monkeypatch.setattr("allometry.engines.ray._noted_host", places.get)
    assert hosts.silent(places) == []
    alive["1"] = False
    assert hosts.silent(places) == ["a"]
    assert hosts.silent(places) == [], "it is told once"
