"""The newest known state of every TrainingJob and its child Jobs: what was watched, and what we wrote ourselves."""

import sys
from collections.abc import Iterator
from typing import Any

from trainwright.controller.queue import Key
from trainwright.manifests.names import JOB_LABEL, MANAGED_BY_LABEL, MANAGER

Object = dict[str, Any]

CHILD_SELECTOR = f"{MANAGED_BY_LABEL}={MANAGER},{JOB_LABEL}"
"""Label selector of the child Jobs that are kept."""

REMEMBERED = 10_000
"""Removed objects that are remembered, beside as many as there are jobs: an answer to a write may come later than the
news that the object is gone, and an object's pods may outlive it."""


def job_key(body: Object) -> Key:
    """The key of the TrainingJob that an object is, or belongs to."""
    metadata = body["metadata"]
    name = metadata["name"] if body["kind"] == "TrainingJob" else metadata["labels"][JOB_LABEL]
    return metadata["namespace"], name


class Store:
    """Objects by key. A watch may tell late what a write's answer has told before: the newer version stays."""

    def __init__(self) -> None:
        self._jobs: dict[Key, Object] = {}
        self._children: dict[Key, dict[str, Object]] = {}
        self._gone: dict[str, int] = {}
        self._suspects: dict[Key, None] = {}

    def put(self, body: Object) -> bool:
        """Keeps the object, unless something newer is known: a later version, or that it is gone.

        Returns:
            Whether it is news; the echo of our own write is none.
        """
        slot, name = self._slot(body)
        known, gone = version(slot[name]) if name in slot else 0, self._gone.get(body["metadata"]["uid"], 0)
        if version(body) >= max(known, gone):
            slot[name] = _slim(body)
        return version(body) > max(known, gone)

    def remove(self, body: Object) -> None:
        """Forgets the object, but not one of the same name that has been made since."""
        slot, name = self._slot(body)
        uid = body["metadata"]["uid"]
        self._gone[uid] = version(body)
        if name in slot and slot[name]["metadata"]["uid"] == uid:
            del slot[name]
        key = job_key(body)
        if not self._children.get(key, True):
            del self._children[key]
        self._suspects[key] = None
        if len(self._gone) > (most := REMEMBERED + len(self._jobs)):
            del self._gone[next(iter(self._gone))]
        if len(self._suspects) > most:
            del self._suspects[next(iter(self._suspects))]

    def job(self, key: Key) -> Object | None:
        """The TrainingJob; none when it is gone."""
        return self._jobs.get(key)

    def children(self, key: Key) -> list[Object]:
        """The Jobs that are labelled as the TrainingJob's; some may belong to an earlier one of the same name."""
        return list(self._children.get(key, {}).values())

    def job_keys(self) -> list[Key]:
        """Every TrainingJob that is known."""
        return list(self._jobs)

    def families(self) -> list[tuple[Object, list[Object]]]:
        """Every TrainingJob with its own child Jobs; may be called from any thread."""
        return [
            (job, [child for child in self.children(key) if owner_uid(child) == job["metadata"]["uid"]])
            for key, job in list(self._jobs.items())
        ]

    def may_have_leftovers(self, key: Key) -> bool:
        """Whether pods may be live whose Job is gone, as after `kubectl delete job`."""
        return key in self._suspects

    def suspect_all(self) -> None:
        """Nothing is known of what was deleted before this moment."""
        self._suspects |= dict.fromkeys(self._jobs)

    def clear(self, key: Key) -> None:
        """There are no such pods."""
        self._suspects.pop(key, None)

    def objects(self) -> Iterator[Object]:
        """Everything that is known."""
        yield from self._jobs.values()
        for children in self._children.values():
            yield from children.values()

    def _slot(self, body: Object) -> tuple[dict[Any, Object], Any]:
        key = job_key(body)
        if body["kind"] == "TrainingJob":
            return self._jobs, key
        return self._children.setdefault(key, {}), body["metadata"]["name"]


def is_child(body: Object) -> bool:
    """Whether a Job has the labels that it is watched by."""
    labels = body["metadata"].get("labels", {})
    return labels.get(MANAGED_BY_LABEL) == MANAGER and JOB_LABEL in labels


def owner_uid(body: Object) -> str:
    """The uid of the object that controls this one; empty when none does."""
    owners = body["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def version(body: Object) -> int:
    """The object's version: higher is newer.

    Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
    """
    return int(body["metadata"]["resourceVersion"])


_KEPT_METADATA = (
    *("name", "namespace", "uid", "resourceVersion", "generation", "labels", "ownerReferences"),
    *("creationTimestamp", "deletionTimestamp"),
)


def _slim(body: Object) -> Object:
    """What decisions are made from; ten thousand finished jobs are to fit into a small pod."""
    metadata = {name: body["metadata"][name] for name in _KEPT_METADATA if name in body["metadata"]}
    spec = body["spec"]
    if body["kind"] == "Job":
        spec = {name: spec[name] for name in ("parallelism", "completions", "suspend") if name in spec}
    kept = {"kind": body["kind"], "apiVersion": body["apiVersion"], "metadata": metadata, "spec": spec}
    slim: Object = _shared(kept | ({"status": body["status"]} if "status" in body else {}))
    return slim


def _shared(tree: Any) -> Any:
    """The tree with one copy of each word for all objects; json makes a new one for every document."""
    if isinstance(tree, dict):
        return {sys.intern(key): _shared(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_shared(item) for item in tree]
    return sys.intern(tree) if isinstance(tree, str) else tree
