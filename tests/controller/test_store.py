"""The store: what was watched and what we wrote come in any order; the newest stays."""

from typing import Any

import pytest

from trainwright.controller import store as module
from trainwright.controller.store import Store, is_child, owner_uid

KEY = ("ns", "digits")


def job(version: int, uid: str = "u1", **status: Any) -> dict[str, Any]:
    metadata = {"name": "digits", "namespace": "ns", "uid": uid, "resourceVersion": str(version), "managedFields": [1]}
    return {"apiVersion": "v", "kind": "TrainingJob", "metadata": metadata, "spec": {"steps": []}, "status": status}


def child(version: int, uid: str = "c1", name: str = "digits-train") -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "trainwright", "trainwright.dev/job-name": "digits"}
    owners = [{"uid": "other"}, {"uid": "u1", "controller": True}]
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version), "labels": labels}
    spec = {"parallelism": 2, "completions": 2, "template": {"a": "large object"}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata | {"ownerReferences": owners}, "spec": spec}


def versions(store: Store) -> list[str]:
    return sorted(body["metadata"]["resourceVersion"] for body in store.objects())


def test_an_older_version_never_replaces_a_newer_one() -> None:
    store = Store()
    for version in (9, 10, 8):
        store.put(job(version, phase=str(version)))
    found = store.job(KEY)
    assert found is not None
    assert found["status"] == {"phase": "10"}


def test_an_answer_that_comes_after_the_news_of_the_end_brings_nothing_back() -> None:
    store = Store()
    store.put(child(5))
    store.remove(child(7))
    store.put(child(6))
    assert store.children(KEY) == []


def test_a_new_object_of_the_same_name_outlives_the_news_of_the_old_ones_end() -> None:
    store = Store()
    store.put(job(5, "old"))
    store.put(job(9, "new"))
    store.remove(job(7, "old"))
    found = store.job(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"


def test_a_child_that_loses_its_labels_and_gets_them_back_is_known_again() -> None:
    store = Store()
    store.put(child(5))
    store.remove(child(6))  # what a watch with a label selector tells
    store.put(child(7))
    assert versions(store) == ["7"]


def test_only_what_decisions_need_is_kept() -> None:
    store = Store()
    store.put(child(1))
    store.put(job(1))
    (kept,) = store.children(KEY)
    assert kept["spec"] == {"parallelism": 2, "completions": 2}
    assert all("managedFields" not in body["metadata"] for body in store.objects())
    assert store.job_keys() == [KEY]


def test_pods_may_be_left_over_when_something_was_deleted_until_it_is_known_that_there_are_none() -> None:
    store = Store()
    store.put(job(1))
    assert not store.may_have_leftovers(KEY)
    store.remove(child(2))
    assert store.may_have_leftovers(KEY)
    store.clear(KEY)
    assert not store.may_have_leftovers(KEY)
    store.suspect_all()
    assert store.may_have_leftovers(KEY)


def test_memory_of_what_is_gone_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    store = Store()
    for number in range(10):
        store.remove(child(number, uid=str(number)))
    assert len(store._gone) == 3
    store.put(child(8, uid="9"))
    assert store.children(KEY) == []


def test_the_owner_is_the_one_that_controls() -> None:
    assert owner_uid(child(1)) == "u1"
    assert owner_uid(job(1)) == ""
    assert is_child(child(1))
    assert not is_child(job(1))
