"""Every mistake of an object is told at once, by its path, with what was found and what would be right."""

import copy
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.objects.corpus import WrongObject, right_objects, wrong_objects
from trainwright.api.job import TrainingJob
from trainwright.api.problems import InvalidJobError
from trainwright.api.validation import find_change_problems, find_problems, load_job


@pytest.mark.parametrize("name", right_objects())
def test_right_objects_have_no_problems(name: str) -> None:
    assert find_problems(right_objects()[name]) == []


@pytest.mark.parametrize("name", right_objects())
def test_right_objects_become_typed(name: str) -> None:
    job = load_job(right_objects()[name])
    assert isinstance(job, TrainingJob)
    assert job.metadata.name == right_objects()[name]["metadata"]["name"]


@pytest.mark.parametrize("wrong", wrong_objects(), ids=lambda wrong: wrong.case)
def test_every_mistake_is_told_and_nothing_else(wrong: WrongObject) -> None:
    told = defaultdict(list)
    for problem in find_problems(wrong.body):
        told[problem.path].append(problem.message)
    assert set(told) == set(wrong.says), dict(told)
    for path, words in wrong.says.items():
        missing = [word for word in words if not any(word in message for message in told[path])]
        assert not missing, (path, told[path])
        assert len(told[path]) <= len(words), told[path]


@pytest.mark.parametrize("wrong", wrong_objects(), ids=lambda wrong: wrong.case)
def test_wrong_objects_are_refused_with_all_their_problems(wrong: WrongObject) -> None:
    with pytest.raises(InvalidJobError) as caught:
        load_job(wrong.body)
    assert list(caught.value.problems) == find_problems(wrong.body)
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]


def test_a_change_is_told_by_its_field() -> None:
    old = right_objects()["chain"]
    assert find_change_problems(old, old) == []
    spec = {**old["spec"], "seed": 5, "data": None, "workers": {"replicas": 3}}
    assert {str(problem) for problem in find_change_problems(old, {**old, "spec": spec})} == {
        "spec.seed: can not be changed: make a new TrainingJob",
        "spec.data: can not be changed: make a new TrainingJob",
        "spec.data: is missing; step train needs data: {factory: package.module:callable}",
    }


def test_a_default_written_out_is_no_change() -> None:
    old = right_objects()["chain"]
    spec = {**old["spec"], "seed": 0, "storage": {}, "managedBy": None}
    assert find_change_problems(old, {**old, "spec": spec}) == []


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["train", "auto"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def places(value: Any) -> Iterator[tuple[Any, str | int]]:
    """Every place in an object: what holds the value, and its key there."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(item)


@given(st.sampled_from(sorted(right_objects())), st.integers(min_value=0), bodies)
@settings(deadline=None)
def test_no_value_at_any_place_raises_another_error(name: str, place: int, value: Any) -> None:
    body = copy.deepcopy(right_objects()[name])
    every = list(places(body))
    holder, key = every[place % len(every)]
    holder[key] = value
    try:
        load_job(body)
    except InvalidJobError as error:
        assert error.problems
        assert all(problem.message.isprintable() for problem in error.problems)


def test_what_a_terminal_would_obey_is_escaped_in_the_words_of_a_rule() -> None:
    body = copy.deepcopy(right_objects()["maximal"])
    (step,) = [step for step in body["spec"]["steps"] if step.get("prune")]
    step["prune"] |= {"finetuneEpochs": 1, "optimizer": {"name": "\x1b[2J"}}
    (problem,) = find_problems(body)
    assert "has no optimizer \\u001b[2J; it has" in problem.message


@given(st.dictionaries(st.sampled_from(["apiVersion", "kind", "metadata", "spec", "status", "x"]), bodies))
def test_no_object_raises_another_error(body: dict[str, Any]) -> None:
    assert find_problems(body)
