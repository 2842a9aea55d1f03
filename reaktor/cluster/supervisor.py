"""Keeps the workers running: starts them, watches them, replaces them, reloads, scales and ends them.

Every order (a signal, a worker's life sign or end, a control request) becomes one verb in one inbox, and verbs never
await: each runs alone. Serves the flows worker crash and supervisor start. Knows neither Django nor the membership:
`on_worker_exited(slot, incarnation)` tells the composition root.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from reaktor.cluster.cluster_metrics import ClusterMetrics
from reaktor.cluster.contract import Home, Neighbour
from reaktor.cluster.dispatcher import Dispatcher
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.handoff import SupervisorEnd
from reaktor.cluster.reload import Reload
from reaktor.cluster.slots import GAVE_UP_RETRY_S, Slot, Slots
from reaktor.cluster.spares import Spares
from reaktor.cluster.worker_process import NOT_NEEDED, Listener, WorkerProcess, WorkerState
from reaktor.config.model import Cluster
from reaktor.owned import spawn

logger = logging.getLogger(__name__)

TICK_S = 0.25
# A tick that comes this late means that this process itself stood still: nobody's silence counts then.
PAUSED_S = 2.0
DRAIN_MARGIN_S = 2.0
BEFORE_DRAIN_S = 1.0
"""How long a stop waits for before_drain."""
MAX_WORKERS = 256


async def _nothing() -> None:
    """There is nothing to do before the workers drain."""


class Supervisor:
    """One for each cluster. run() returns when everything has ended; it raises SupervisorError when it can't serve.

    `home` names this host to its workers, and `neighbours` says which others live; `arguments` and `environment` go to
    every one of their processes.
    """

    def __init__(
        self,
        config: Cluster,
        dispatcher: Dispatcher,
        home: Home,
        *,
        environment: Mapping[str, str],
        arguments: tuple[str, ...] = (),
        on_worker_exited: Callable[[int, int], None] = lambda slot, incarnation: None,
        on_serving: Callable[[], None] = lambda: None,
        before_drain: Callable[[], Awaitable[None]] = _nothing,
        neighbours: Callable[[], Sequence[Neighbour]] = tuple,
    ) -> None:
        self._config, self._dispatcher, self._home = config, dispatcher, home
        self._environment, self._arguments = environment, arguments
        self._on_worker_exited, self._on_serving = on_worker_exited, on_serving
        self._before_drain = before_drain
        self._neighbours, self._told_hosts = neighbours, list[Neighbour]()
        self._inbox: asyncio.Queue[Callable[[], None]] = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._failure = ""
        self.has_served = False
        self.slots = Slots()
        self.spares = Spares(config.spare_workers, self._spawn)
        self._reload = Reload(self.slots, self._start, on_done=self.spares.dismiss)
        self.totals = ClusterMetrics()
        self.is_stopping = False

    def post(self, verb: Callable[[], None]) -> None:
        """Put a verb into the inbox; it runs in its turn, in the loop."""
        self._inbox.put_nowait(verb)

    async def run(self) -> None:
        """Listen, start the workers, and carry out verbs until stop() has ended the last of them."""
        for number in range(1, self._config.workers + 1):
            self.slots.ensure(number, is_routed=True)
        self._dispatcher.set_slots(self.slots.routed)
        self._dispatcher.listen()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            helpers = [tasks.create_task(self._dispatcher.run()), tasks.create_task(self._tick_forever())]
            for slot in self.slots:
                slot.current = self._start(slot)
            while not (self.is_stopping and not self._everyone):
                verb = await self._inbox.get()
                try:
                    verb()
                except Exception:
                    logger.exception("supervisor: %r failed", verb)
            for helper in helpers:
                helper.cancel()
        if self._failure:
            raise SupervisorError(self._failure)

    # Workers come and go

    @property
    def _everyone(self) -> list[WorkerProcess]:
        return [*self.slots.workers, *self.spares.workers]

    def _start(self, slot: Slot) -> WorkerProcess:
        # What a spare has imported may be what the reload replaces.
        spare = None if self._reload.is_running else self.spares.take()
        worker = spare or self._spawn()
        slot.incarnation += 1
        slot.restart_at = None
        worker.assign(self._home, slot.number, slot.incarnation)
        self.slots.workers.add(worker)
        return worker

    def _spawn(self) -> WorkerProcess:
        """The process of one more worker. Raises SupervisorError while the supervisor goes down."""
        worker = WorkerProcess(
            Listener(
                on_ready=lambda worker: self.post(partial(self._worker_ready, worker)),
                on_gone=lambda worker: self.post(partial(self._worker_gone, worker)),
                on_room=lambda worker: self._dispatcher.on_room(worker.slot),
                on_refused=self._dispatcher.on_refused,
            )
        )
        if spawn(self._tasks, worker.run(self._arguments, self._environment), "worker") is None:
            # It goes down by an error or by cancellation, and the control socket may still ask for workers.
            raise SupervisorError("The server is stopping.")
        return worker

    def _worker_ready(self, worker: WorkerProcess) -> None:
        if worker.state is not WorkerState.READY or worker.link is None:
            return
        logger.info("worker %s (%s) is ready after %.1f s", worker.name, worker.pid, worker.since - worker.started_at)
        slot = self.slots.by_number[worker.slot]
        slot.boot_failures, slot.gave_up = 0, ""
        worker.link.tell_hosts(self._told_hosts)
        self._dispatcher.attach(slot.number, worker.link)
        if slot.incoming is worker:
            old, slot.current, slot.incoming = slot.current, worker, None
            if old is not None:
                old.drain(self._config.drain_s)
            self._reload.took_over(slot)
        if not slot.is_routed:
            slot.is_routed = True
            self._dispatcher.set_slots(self.slots.routed)
        self.spares.leave_room()
        self._greet_when_serving()

    def _greet_when_serving(self) -> None:
        if not self.has_served and self.slots.is_everyone_serving:
            self.has_served = True
            self._on_serving()

    def _worker_gone(self, worker: WorkerProcess) -> None:
        if worker.is_spare:
            self.spares.on_gone(worker)
            return
        self.slots.workers.discard(worker)
        slot = self.slots.by_number[worker.slot]
        if worker.link is not None:
            self._dispatcher.detach(worker.slot, worker.link)
            self._dispatcher.put_back(worker.slot, worker.link.take_unadopted())
        if worker.pid is not None:
            self._on_worker_exited(worker.slot, worker.incarnation)
        is_expected = self.is_stopping or worker.exit_code == 0
        self.totals.retire(worker, is_expected=is_expected)
        log = logger.info if is_expected else logger.warning
        log("worker %s (%s) is gone: it %s", worker.name, worker.pid, worker.epitaph())
        was_current = slot.current is worker
        if was_current:
            slot.current = None
        if slot.incoming is worker:
            slot.incoming = None
            self._reload.failed(slot, worker)
            was_current = slot.current is None
        if was_current and slot.incoming is None and not (self.is_stopping or slot.is_retiring):
            self._plan_restart(slot, worker)
        self.slots.forget_retired()

    def _plan_restart(self, slot: Slot, worker: WorkerProcess) -> None:
        now = time.monotonic()
        config = self._config
        slot.restart_at = now + slot.backoff_s(worker, now, config.backoff_min_s, config.backoff_max_s)
        if slot.boot_failures >= config.boot_failures:
            reason = f"Worker {slot.number} can't start: it {worker.epitaph()}"
            if self.slots.is_anyone_serving:
                slot.gave_up, slot.is_routed = worker.epitaph(), False
                slot.restart_at = now + GAVE_UP_RETRY_S
                self._dispatcher.set_slots(self.slots.routed)
                logger.error("%s. The other workers serve its clients; trying again in %g s.", reason, GAVE_UP_RETRY_S)
                self._greet_when_serving()
            else:
                self._failure = f"{reason} (tried {slot.boot_failures} times)."
                self.stop()
        elif slot.restart_at <= now:
            slot.current = self._start(slot)

    # The watch

    async def _tick_forever(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self.post(partial(self._tick, now - last > PAUSED_S))
            last = now

    def _tick(self, was_paused: bool) -> None:
        now = time.monotonic()
        for worker in self._everyone:
            if was_paused:
                worker.beat_at = worker.since = now
            self._watch(worker, now)
        for slot in self.slots:
            if slot.restart_at is not None and slot.restart_at <= now and not self.is_stopping:
                slot.current = self._start(slot)
        if self._may_start_spare:
            self.spares.keep()
        self._tell_hosts()

    def _tell_hosts(self) -> None:
        hosts = list(self._neighbours())
        if hosts != self._told_hosts:
            self._told_hosts = hosts
            for worker in self.slots.workers:
                if worker.was_ready and worker.link is not None:
                    worker.link.tell_hosts(hosts)

    def link_of(self, slot: int, incarnation: int) -> SupervisorEnd | None:
        """The link to that worker; None: it serves nobody (any more)."""
        for worker in self.slots.workers:
            if (worker.slot, worker.incarnation) == (slot, incarnation):
                return worker.link if worker.state in (WorkerState.READY, WorkerState.DRAINING) else None
        return None

    @property
    def _may_start_spare(self) -> bool:
        is_calm = not self._reload.is_running and not self.is_stopping
        return self.has_served and is_calm and self.slots.is_everyone_serving

    @property
    def missing_spare(self) -> str:
        """Why there is no spare, or too few; empty when all are there."""
        return self.spares.missing(is_allowed=self._may_start_spare)

    def _watch(self, worker: WorkerProcess, now: float) -> None:
        config = self._config
        if worker.state is WorkerState.STARTING and now - worker.since > config.boot_timeout_s:
            worker.end(f"did not become ready within {config.boot_timeout_s:g} s")
        elif worker.state is WorkerState.DRAINING and now > worker.drain_until + DRAIN_MARGIN_S:
            worker.end("did not finish draining in time")
        elif worker.ought_to_beat and now - worker.beat_at > config.hang_timeout_s:
            logger.error("worker %s (%s) hangs: no beat for %g s", worker.name, worker.pid, config.hang_timeout_s)
            if worker.link is not None:
                self._dispatcher.detach(worker.slot, worker.link)
            worker.end("hung")
        elif worker.state is WorkerState.ENDING and now - worker.since > config.term_timeout_s:
            worker.kill()

    # Orders

    def stop(self) -> None:
        """Stop accepting, drain every worker, end. Said twice: at once."""
        if self.is_stopping:
            logger.warning("stopping at once")
            for worker in self._everyone:
                worker.kill()
            return
        logger.info("stopping: the workers say goodbye to their sessions")
        self.is_stopping = True
        self._dispatcher.stop_accepting()
        self._reload.stop("The server is stopping.")
        if spawn(self._tasks, self._drain_everyone(), "drain") is None:
            self._drain_all()

    async def _drain_everyone(self) -> None:
        try:
            async with asyncio.timeout(BEFORE_DRAIN_S):
                await self._before_drain()
        except TimeoutError:
            logger.warning("stopping without waiting any longer for the lease to be given back")
        except Exception:
            logger.exception("stopping: what comes before the drain failed")
        self._drain_all()

    def _drain_all(self) -> None:
        for worker in self._everyone:
            worker.drain(self._config.drain_s)

    def fail_with(self, reason: str) -> Callable[[], None]:
        """A verb that stops the cluster because of something outside it; run() then raises the reason."""

        def fail() -> None:
            if not self.is_stopping:
                self._failure = reason
                self.stop()

        return fail

    def reload(self, numbers: list[int] | None = None) -> asyncio.Future[list[int]]:
        """Replace the workers of some slots (None: all), one slot after the other, new before old.

        The future gives the slots done; SupervisorError when a new worker can't boot (the old one goes on serving).
        Raises SupervisorError while it stops, or reloads already.
        """
        if self.is_stopping or self._reload.is_running:
            raise SupervisorError("The server is stopping." if self.is_stopping else "A reload is running already.")
        return self._reload.begin([slot.number for slot in self.slots.wanted] if numbers is None else numbers)

    def scale(self, count: int) -> None:
        """So many workers from now on. Raises SupervisorError for a number that can't be."""
        if not 1 <= count <= MAX_WORKERS:
            raise SupervisorError(f"There can be 1 to {MAX_WORKERS} workers, not {count}.")
        if self.is_stopping:
            raise SupervisorError("The server is stopping.")
        for number in range(1, count + 1):
            slot = self.slots.ensure(number, is_routed=False)
            if slot.current is None and slot.restart_at is None:
                slot.current = self._start(slot)
        for slot in self.slots:
            if slot.number > count and not slot.is_retiring:
                self._retire(slot)
        self._dispatcher.set_slots(self.slots.routed)
        logger.info("scaling to %d workers", count)

    def scale_by(self, difference: int) -> None:
        """One more, one less; what can't be is ignored."""
        count = len(self.slots.wanted) + difference
        if 1 <= count <= MAX_WORKERS and not self.is_stopping:
            self.scale(count)

    def _retire(self, slot: Slot) -> None:
        slot.is_retiring, slot.is_routed, slot.restart_at = True, False, None
        if slot.incoming is not None:
            slot.incoming.end(NOT_NEEDED)
        if slot.current is not None:
            slot.current.drain(self._config.drain_s)
            slot.current = None
        if slot.number not in {worker.slot for worker in self.slots.workers}:
            self.slots.forget_retired()
