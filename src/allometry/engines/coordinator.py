"""The coordinator of every engine with workers: it sends orders and checks deliveries.

It keeps as many packs in flight as the workers can take, checks each delivery against
its order, and orders lost packs again. Results that arrive together are returned
together, so that a thousand workers cause only a few transactions a second. A delivery that
arrives twice, or was never ordered, is dropped. Only the packs in flight are in memory.
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

TRIES = 3  # attempts at a pack whose worker dies, before the pack counts as failed
TICK = 0.2  # seconds between checks for a signal to stop
BATCH = 1000  # runs returned, and so committed, at once


class Lost(NamedTuple):
    """A pack without a delivery: the reason, and the last lines of its worker."""

    reason: str
    log: str = ""


class Workers(Protocol):
    """Workers that train the packs of orders: processes, a cluster, an executor."""

    @property
    def slots(self) -> int:
        """Number of orders to keep in flight; it may change."""
        ...

    def submit(self, name: str, order: bytes, needs: Needs) -> None:
        """Submit an order; `name` is its SHA-256. A lost order may be submitted again."""
        ...

    def arrived(self, seconds: float) -> Sequence[tuple[str, bytes | Lost]]:
        """Deliveries and losses since the last call, each with the name of its order.

        Args:
            seconds: how long to wait for the first one.
        """
        ...

    def withdraw(self) -> Sequence[str]:
        """Withdraw the orders that no worker has begun; returns their names."""
        ...

    def close(self) -> None:
        """Stop all work at once."""
        ...


@dataclass
class _Flight:
    """A pack in flight: ordered, but not delivered yet."""

    pack: Pack
    order: bytes
    needs: Needs
    tries: int = 1


class Coordinator(Engine):
    """An engine whose packs are trained by workers in other processes.

    Args:
        start: function that starts the workers; they are closed when the run ends.
        name: name of the engine, for the provenance of each run.
        ask: function that returns the needs of a pack.
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
        orders.write(packs[0])  # raises its errors before anything is started
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
        """Record a delivery or a loss; returns False if the pack has to be ordered again."""
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
    """Results and failures that have not been returned yet; results grouped by provenance."""

    def __init__(self, engine: str):
        self.runs = 0
        self.failures: list[Failure] = []
        self._results: dict[str, list[RunResult]] = {}
        # The coordinator's time replaces the worker's, so that equal workers share one provenance.
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
