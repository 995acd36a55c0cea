"""The coordinator of every engine with workers: it sends orders and checks deliveries.

It keeps as many packs in flight as the workers can take, checks each delivery against
its order and orders lost packs again. Results that come in together are handed back
together, so that a thousand workers cost a few transactions a second. A delivery that
comes twice, or was never ordered, is dropped. Only the packs in flight are in memory.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from allometry.engines import Engine, Failure, Finished
from allometry.engines.deliveries import Delivery, read_delivery
from allometry.engines.orders import Orders
from allometry.engines.resources import Asking, Needs
from allometry.errors import DataError
from allometry.spec import run_ids
from allometry.study import Study, procedure_of
from allometry.training.checkpoints import Checkpoints
from allometry.training.procedure import Pack
from allometry.training.result import RunResult

__all__ = ["TRIES", "Coordinator", "Lost", "Workers"]

TRIES = 3  # of a pack whose worker dies, before the pack is blamed
TICK = 0.2  # seconds between looks at whether somebody asked to stop
BATCH = 1000  # runs handed back, and so committed, at once


class Lost(NamedTuple):
    """A pack that did not come back: the reason, and the last lines of its worker."""

    reason: str
    log: str = ""


class Workers(Protocol):
    """What makes the packs of orders: processes, a cluster, an executor."""

    @property
    def slots(self) -> int:
        """Number of orders to have in flight; it may change."""
        ...

    def submit(self, name: str, order: bytes, needs: Needs) -> None:
        """Take an order; `name` is its SHA-256. It may be submitted again once lost."""
        ...

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        """Deliveries since the last call, each with the name of its order.

        Args:
            seconds: to wait for a first one.
        """
        ...

    def withdraw(self) -> Sequence[str]:
        """Take back the orders that no worker has begun; returns their names."""
        ...

    def close(self) -> None:
        """Stop all work at once."""
        ...


@dataclass
class _Flight:
    """A pack that has been ordered and has not come back."""

    pack: Pack
    order: bytes
    needs: Needs
    tries: int = 1


class Coordinator(Engine):
    """An engine whose packs are made by workers elsewhere.

    Args:
        start: starts the workers; they are closed when the run ends.
        name: of the engine, for the provenance of each run.
        ask: what each pack needs of the workers.
    """

    def __init__(
        self,
        start: Callable[[], Workers],
        name: str,
        ask: Asking = lambda pack, study: Needs(),
    ):
        self._start = start
        self._ask = ask
        self._name = name

    def run(
        self,
        packs: Sequence[Pack],
        study: Study,
        advance: Callable[[int], None],
        stop: Callable[[], bool],
        checkpoints: Checkpoints | None = None,
    ) -> Iterator[Finished]:
        procedure = procedure_of(study)
        if not packs:
            return
        orders = Orders(study)
        orders.write(packs[0])  # refused before anything is started
        waiting, account = iter(packs), _Account(self._name)
        flights: dict[str, _Flight] = {}
        more = True
        with closing(self._start()) as workers:
            while flights or (more and not stop()):
                if stop():
                    for name in workers.withdraw():
                        flights.pop(name, None)
                while more and len(flights) < workers.slots and not stop():
                    pack = next(waiting, None)
                    more = pack is not None
                    if pack is not None:
                        flight = _Flight(pack, orders.write(pack), self._ask(pack, study))
                        self._send(flight, flights, workers)
                for name, data in workers.arrived(TICK):
                    landed = flights.pop(name, None)
                    if landed is None:
                        continue
                    if self._taken(landed, data, account):
                        advance(sum(procedure.updates(spec) for spec in landed.pack.specs))
                    elif not stop():
                        landed.tries += 1
                        self._send(landed, flights, workers)
                    if account.runs >= BATCH:
                        yield from account.settle()
                yield from account.settle()
                advance(0)

    def _send(self, flight: _Flight, flights: dict[str, _Flight], workers: Workers) -> None:
        name = hashlib.sha256(flight.order).hexdigest()
        flights[name] = flight
        workers.submit(name, flight.order, flight.needs)

    def _taken(self, flight: _Flight, data: bytes | Lost, account: "_Account") -> bool:
        """Account for what came in; False if the pack has to be ordered again."""
        if not isinstance(data, Lost):
            try:
                account.enter(read_delivery(data, flight.order, flight.pack))
                return True
            except DataError as error:
                data = Lost(str(error))
        if flight.tries < TRIES:
            return False
        tries = f"{data.reason} ({flight.tries} times)"
        account.failures.append(Failure(tuple(run_ids(flight.pack.specs)), tries, data.log))
        return True


class _Account:
    """Results and failures that have not been handed back, results by their provenance."""

    def __init__(self, engine: str):
        self.runs = 0
        self.failures: list[Failure] = []
        self._results: dict[str, list[RunResult]] = {}
        # The coordinator's own time, so that runs trained alike have one provenance.
        self._shared = {
            "engine": engine,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def enter(self, delivery: Delivery) -> None:
        self.failures += delivery.failures
        if not delivery.results:
            return
        key = json.dumps({**delivery.provenance, **self._shared}, sort_keys=True)
        self._results.setdefault(key, []).extend(delivery.results)
        self.runs += len(delivery.results)

    def settle(self) -> Iterator[Finished]:
        failures, self.failures = tuple(self.failures), []
        results, self._results, self.runs = self._results, {}, 0
        for provenance, runs in results.items():
            document: dict[str, object] = json.loads(provenance)
            yield Finished(runs, document)
        if failures:
            yield Finished((), {}, failures)
