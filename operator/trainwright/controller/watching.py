"""kopf's part: it watches TrainingJobs and our Jobs, lists them anew when a watch ends, and hands over every event."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import kopf

from trainwright.api import GROUP, PLURAL, VERSION
from trainwright.controller.client import PAGE
from trainwright.controller.store import CHILD_SELECTOR

Handler = Callable[[dict[str, Any], bool], Awaitable[None]]
"""Is given an object, and whether it is gone."""


async def watch(
    handle: Handler,
    namespaces: Sequence[str],
    stop: asyncio.Event,
    on_relist: Callable[[str], None] = lambda _resource: None,
) -> None:
    """Calls `handle` for every object that is there and for every change, until `stop` is set.

    kopf takes the process' signals for itself, and ends on them: `stop` is set then too.

    Args:
        handle: takes in one object.
        namespaces: those that are watched; all when empty.
        stop: ends the watching.
        on_relist: is told the kind's plural when a watch began anew from a list.
    """
    lists = Lists(on_relist)
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login)

    # Event handlers alone write nothing to the objects: no finalizer, no annotation.
    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    @kopf.on.event("batch", "v1", "jobs", registry=registry)
    async def _(event: kopf.RawEvent, **_: Any) -> None:
        body = dict(event["object"])
        if event["type"] is None:
            lists.see(body)
        await handle(body, event["type"] == "DELETED")

    try:
        await kopf.operator(
            registry=registry,
            settings=_settings(),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            stop_flag=stop,
        )
    finally:
        stop.set()


class Lists:
    """Notices that what a list tells begins anew; kopf doesn't say so.

    Args:
        on_relist: is told the kind's plural.
    """

    def __init__(self, on_relist: Callable[[str], None]) -> None:
        self._on_relist = on_relist
        self._seen: dict[tuple[str, str], set[str]] = {}

    def see(self, body: Mapping[str, Any]) -> None:
        """Takes in an object that a list tells of; each is in a list once."""
        metadata = body["metadata"]
        seen = self._seen.setdefault((body["kind"], metadata["namespace"]), set())
        if metadata["uid"] in seen:
            seen.clear()
            self._on_relist(f"{body['kind'].lower()}s")
        seen.add(metadata["uid"])


def _login(**kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # kopf would make a Kubernetes event of every line in the log
    settings.scanning.disabled = True  # else it watches CRDs and namespaces, which needs rights on the whole cluster
    settings.watching.label_selectors["jobs.v1.batch"] = CHILD_SELECTOR
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.networking.request_timeout = 30
    settings.watching.chunk_size = PAGE  # else all that is there is in the memory at once, whole
    settings.queueing.idle_timeout = 0.1  # until then kopf keeps the whole object
    settings.persistence.diffbase_storage = _NoHistory()
    logging.getLogger("kopf.objects").setLevel(logging.ERROR)
    return settings


class _NoHistory(kopf.DiffBaseStorage):
    """kopf compares each object with how it was last handled, also where no handler wants to know: three deep copies of
    the object an event. We remember nothing, so there is nothing to compare."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        return None

    def store(self, **_: Any) -> None:
        raise NotImplementedError
