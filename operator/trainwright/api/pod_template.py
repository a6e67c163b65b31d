"""Checks the user's part of the pods, which the schema leaves open."""

from collections.abc import Iterator
from typing import Any

from trainwright.api.problems import Location, Problem, format_path, show

_TEMPLATE = ("spec", "workers", "template")


def template_problems(body: dict[str, Any]) -> Iterator[Problem]:
    """What is wrong with `spec.workers.template`, as far as it can be told before the API server sees a pod."""
    template: Any = body
    for field in _TEMPLATE:
        template = template.get(field) if isinstance(template, dict) else None
    if not isinstance(template, dict):
        return
    for name in template:
        if name not in ("metadata", "spec"):
            yield _problem((name,), "there is no such field; a PodTemplateSpec has metadata and spec")
    yield from _metadata_problems(template.get("metadata", {}))
    yield from _pod_problems(template.get("spec", {}))


def _problem(location: Location, message: str) -> Problem:
    return Problem(format_path((*_TEMPLATE, *location)), message)


def _metadata_problems(metadata: Any) -> Iterator[Problem]:
    if not isinstance(metadata, dict):
        yield _problem(("metadata",), f"got {show(metadata)}; expected an object with labels and annotations")
        return
    for field, values in metadata.items():
        if field not in ("labels", "annotations"):
            yield _problem(("metadata", field), "is ours to set; a template can have labels and annotations")
        elif not isinstance(values, dict):
            yield _problem(("metadata", field), f"got {show(values)}; expected an object")
        else:
            for name, value in values.items():
                if not isinstance(value, str):
                    words = f"got {show(value)}; expected a string: put it in quotes"
                    yield _problem(("metadata", field, name), words)


def _pod_problems(pod: Any) -> Iterator[Problem]:
    if not isinstance(pod, dict):
        yield _problem(("spec",), f"got {show(pod)}; expected a PodSpec")
        return
    containers = pod.get("containers", [])
    if not isinstance(containers, list) or not all(isinstance(container, dict) for container in containers):
        yield _problem(("spec", "containers"), f"got {show(containers)}; expected a list of containers")
        return
    names = [container.get("name") for container in containers]
    for index, container in enumerate(containers):
        location = ("spec", "containers", index)
        if names[index] in names[:index]:
            yield _problem((*location, "name"), f"got {show(names[index])} a second time; each container needs its own")
        else:
            yield from _container_problems(location, container)


def _container_problems(location: Location, container: dict[str, Any]) -> Iterator[Problem]:
    name = container.get("name")
    if not isinstance(name, str) or not name:
        got = "is missing" if name is None else f"got {show(name)}"
        yield _problem((*location, "name"), f"{got}; expected trainer for ours, or the name of a sidecar")
    elif name != "trainer" and not container.get("image"):
        words = f"is missing: container {name} is a sidecar and needs one; the trainers run in `trainer`"
        yield _problem((*location, "image"), words)
    elif name == "trainer":
        for field in ("command", "args"):
            if field in container:
                words = "the trainer's command is ours; use a `run` step for your own program"
                yield _problem((*location, field), words)
