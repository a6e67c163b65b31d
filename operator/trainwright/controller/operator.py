"""The operator process: kopf watches, the store keeps, the queue decides when, the reconciler does the work."""

import asyncio
import signal
from typing import Any

from trainwright.controller.client import Client
from trainwright.controller.completeness import Completeness
from trainwright.controller.endings import Endings
from trainwright.controller.events import Outbox
from trainwright.controller.exposition import serve_metrics
from trainwright.controller.health import Health, serve_health
from trainwright.controller.leadership import Leadership
from trainwright.controller.options import OperatorOptions
from trainwright.controller.progress import ProgressReader
from trainwright.controller.questions import Questions
from trainwright.controller.queue import Key, WorkQueue
from trainwright.controller.reconciler import Reconciler
from trainwright.controller.store import Store, job_key
from trainwright.controller.watching import watch
from trainwright.manifests.site import ClusterSite
from trainwright.metrics.jobs import JobCollector
from trainwright.metrics.operator import OperatorMetrics

ECHO_SECONDS = 1.0
"""How soon a job is looked at when nothing is heard but the echo of our own write; most often there is more to hear
by then."""


class Operator:
    """One replica of the operator.

    Every replica watches, so that a new leader knows everything at once; only the leader works on the queue.
    """

    def __init__(self, options: OperatorOptions) -> None:
        """Prepares a replica; `run` starts it."""
        self._options = options
        self._store, self._queue, self._health = Store(), WorkQueue(), Health()
        self._leadership = Leadership(options.lease_namespace, options.lease_name, options.identity)
        self._metrics = OperatorMetrics()
        self._metrics.watch_replica(lambda: self._leadership.leading, self._queue.due)
        self._metrics.registry.register(
            JobCollector(self._store.families, lambda: self._leadership.leading, options.metrics_jobs)
        )
        self._client = Client(self._leadership.require, self._metrics.count_request)
        site = ClusterSite(images=options.config.images, isolated=options.config.network_policies)
        self._endings = Endings(self._client, options.namespaces)
        self._outbox = Outbox(self._client, options.identity)
        questions = Questions(self._client, self._endings.take)
        self._reconciler = Reconciler(
            self._client, self._store, site, self._queue.add, questions, self._outbox, self._metrics.count_changes
        )
        self._completeness = Completeness(self._client, self._store, self._queue, options.namespaces)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set: no new pass begins, those under way end, and the lease is given back.

        Raises:
            ExceptionGroup: a part of the operator has failed; the process is to be started anew.
        """
        health = serve_health(self._health, self._options.health_port)
        metrics = serve_metrics(self._metrics.registry, self._options.metrics_port)
        lease_client = Client(count=self._metrics.count_request)
        async with lease_client, self._client, health, metrics, asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(watch(self._take_in, self._options.namespaces, stop, self._metrics.count_relist)),
                tasks.create_task(self._lead(lease_client, stop)),
                tasks.create_task(self._read_progress()),
                tasks.create_task(self._endings.run()),
                tasks.create_task(self._outbox.run()),
            ]
            workers = [tasks.create_task(self._queue.work(self._handle)) for _ in range(self._options.workers)]
            await stop.wait()
            await self._queue.close()
            await asyncio.wait(workers)
            for task in background:
                task.cancel()
            await self._outbox.flush()
            await self._leadership.release(lease_client)

    async def _take_in(self, body: dict[str, Any], gone: bool) -> None:
        news = gone or self._store.put(body)
        if gone:
            self._store.remove(body)
        if self._leadership.leading:
            await self._queue.add(job_key(body), 0.0 if news else ECHO_SECONDS)

    async def _lead(self, lease_client: Client, stop: asyncio.Event) -> None:
        """Stands for election only once everything is known, so that no leader decides on a half-read state."""
        await self._completeness.wait_until_filled(self._health.beat)
        self._health.filled = True
        _take_signals_back(stop)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leadership.run(lease_client, self._take_over, self._health.beat))
            tasks.create_task(self._completeness.keep())

    async def _read_progress(self) -> None:
        await ProgressReader(self._store, self._queue, self._leadership, self._reconciler.progress).run()

    async def _take_over(self) -> None:
        self._store.suspect_all()
        for key in self._store.job_keys():
            await self._queue.add(key)

    async def _handle(self, key: Key) -> None:
        if self._leadership.leading:
            await self._completeness.catch_up(self._leadership.term)
            with self._metrics.timing_pass():
                await self._reconciler.reconcile(key)


def _take_signals_back(stop: asyncio.Event) -> None:
    """kopf has taken SIGTERM and SIGINT for itself, and needs seconds to end; the lease is to be given back at once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
