"""What is heard of workers that ended well."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from trainwright.controller import endings
from trainwright.controller.client import ApiError
from trainwright.controller.endings import REMEMBERED, Endings
from trainwright.manifests.names import INDEX_ANNOTATION, TRAINER_CONTAINER


def ended(uid: str, index: int = 0, message: str = "") -> dict[str, Any]:
    """A pod that has succeeded."""
    state = {"terminated": {"exitCode": 0, "message": message}}
    return {
        "metadata": {
            "labels": {"batch.kubernetes.io/controller-uid": uid},
            "annotations": {INDEX_ANNOTATION: str(index)},
        },
        "status": {"phase": "Succeeded", "containerStatuses": [{"name": TRAINER_CONTAINER, "state": state}]},
    }


class Cluster:
    """Stands for the API server: each watch tells of some pods and is then ended as it says."""

    def __init__(self, *watches: tuple[list[dict[str, Any]], Exception | None]) -> None:
        self._watches = list(watches)
        self.over = asyncio.Event()

    async def watch(self, kind: str, namespace: str | None, **query: str) -> AsyncIterator[dict[str, Any]]:
        assert (kind, query["fieldSelector"]) == ("Pod", "status.phase=Succeeded")
        if not self._watches:
            self.over.set()
            await asyncio.Event().wait()
        pods, error = self._watches.pop(0)
        for pod in pods:
            yield pod
        if error is not None:
            raise error


def listen(*watches: tuple[list[dict[str, Any]], Exception | None]) -> Endings:
    """What is known once all these watches have ended."""

    async def run() -> Endings:
        cluster = Cluster(*watches)
        heard = Endings(cluster, ())  # type: ignore[arg-type]
        listening = asyncio.create_task(heard.run())
        await asyncio.wait_for(cluster.over.wait(), 60)
        listening.cancel()
        return heard

    return asyncio.run(run())


def test_the_first_worker_of_a_job_is_heard_and_given_up_once() -> None:
    heard = listen(([ended("a", 1, "second"), ended("a", 0, "first")], None))
    outcome = heard.take("a")
    assert outcome is not None
    assert (outcome.exit_code, outcome.last_words) == (0, "first")
    assert heard.take("a") is None


def test_a_watch_that_ends_or_fails_is_opened_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endings, "PAUSE_SECONDS", 0.01)
    expired = ApiError(410, "Expired", "too old resource version")
    heard = listen(([ended("a")], None), ([ended("b")], expired), ([], ConnectionResetError()), ([ended("c")], None))
    assert all(heard.take(uid) for uid in "abc")


def test_what_nobody_asks_for_is_forgotten_in_the_end() -> None:
    heard = listen(([ended(str(number)) for number in range(REMEMBERED + 1)], None))
    assert heard.take("0") is None
    assert heard.take("1") is not None
