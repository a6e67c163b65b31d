"""Leader election by Lease: of several replicas, one acts.

The client library's own election waits for an answer without a limit, so a leader that is cut off goes on acting.
Here leading is a fact with an end: it holds until `RENEW_SECONDS` after the last renewal was sent, by a clock that
can not be set and that goes on while the process is frozen, and it is asked for before every write.
Source: https://kubernetes.io/docs/concepts/architecture/leases/
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from trainwright.controller.client import REQUEST_SECONDS, ApiError, Client

LEASE_SECONDS = 15
"""How long a leader that is not heard of is waited for."""

RENEW_SECONDS = 10.0
"""How long a leader may act after its last renewal: with a request's longest time, less than the lease."""

RETRY_SECONDS = 2.0

assert RENEW_SECONDS + REQUEST_SECONDS < LEASE_SECONDS

log = logging.getLogger(__name__)


class NotLeaderError(RuntimeError):
    """Another replica may act now; this one must not."""


class Leadership:
    """Whether this replica may act.

    Args:
        namespace: where the Lease is.
        name: its name.
        identity: this replica's name in it.
    """

    def __init__(self, namespace: str, name: str, identity: str) -> None:
        self._namespace, self._name, self._identity = namespace, name, identity
        self._until = 0.0
        self._other: tuple[str, float] | None = None
        self.term = 0
        """How often this replica has become the leader."""

    @property
    def leading(self) -> bool:
        """Whether this replica may act at this moment."""
        return time.monotonic() < self._until

    def require(self) -> None:
        """Raises NotLeaderError unless this replica may act at this moment."""
        if not self.leading:
            raise NotLeaderError("this replica is not the leader")

    async def run(self, client: Client, on_start: Callable[[], Awaitable[None]], on_round: Callable[[], None]) -> None:
        """Takes the lease when it is free and keeps it, for ever.

        Args:
            client: reads and writes the lease.
            on_start: called each time that leading begins.
            on_round: called in each round, whatever comes of it.
        """
        while True:
            on_round()
            led, sent = self.leading, time.monotonic()
            if await self._renew(client):
                self._until = sent + RENEW_SECONDS
                if not led:
                    self.term += 1
                    log.info("leading", extra={"identity": self._identity})
                    await on_start()
            elif led and not self.leading:
                log.warning("no longer leading", extra={"identity": self._identity})
            await asyncio.sleep(RETRY_SECONDS)

    async def release(self, client: Client) -> None:
        """Gives the lease back, so that another replica need not wait for its end."""
        if not self.leading:
            return
        self._until = 0.0
        try:
            lease = await client.read("Lease", self._namespace, self._name)
            if lease["spec"].get("holderIdentity") == self._identity:
                lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
                await client.replace(lease)
        except (ApiError, OSError, TimeoutError) as error:
            log.warning("the lease could not be given back: %s", error or type(error).__name__)

    async def _renew(self, client: Client) -> bool:
        """Whether the lease is this replica's after the attempt."""
        try:
            return await self._attempt(client)
        except (ApiError, OSError, TimeoutError) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                log.warning("the lease could not be renewed: %s", error or type(error).__name__)
            return False

    async def _attempt(self, client: Client) -> bool:
        try:
            lease = await client.read("Lease", self._namespace, self._name)
        except ApiError as error:
            if error.status != 404:
                raise
            await client.create(self._lease({}))
            return True
        holder = lease["spec"].get("holderIdentity")
        if holder and holder != self._identity and not self._expired(lease):
            return False
        await client.replace(self._lease(lease))
        return True

    def _expired(self, lease: dict[str, Any]) -> bool:
        """Whether the other holder was not heard of for the lease's time, by this replica's own clock."""
        renewal, now = f"{lease['spec']['holderIdentity']} {lease['spec'].get('renewTime')}", time.monotonic()
        if self._other is None or self._other[0] != renewal:
            self._other = (renewal, now)
        duration: float = lease["spec"].get("leaseDurationSeconds", LEASE_SECONDS)
        return now - self._other[1] > duration

    def _lease(self, before: dict[str, Any]) -> dict[str, Any]:
        spec, now = before.get("spec", {}), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        mine = spec.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": before.get("metadata", {"name": self._name, "namespace": self._namespace}),
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": spec.get("acquireTime", now) if mine else now,
                "renewTime": now,
                "leaseTransitions": spec.get("leaseTransitions", 0) + (not mine),
            },
        }
