"""The report of a real run in a real browser: nothing is loaded, nothing is executed, all of it fits a phone."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from testbed.browser import Browser, browser
from testbed.build import BinariesMissingError
from tests.local.runs import Run, manifest
from tests.report.test_page import HOSTILE
from trainwright.cli import app

pytestmark = pytest.mark.slow

DESK, PHONE = 1280, 390
STEPS = [
    {"name": "train", "train": {"epochs": 4, "batchSize": 128, "checkpoint": {"everySteps": 10}}},
    {
        "name": "sparse",
        "prune": {"method": "l1-unstructured", "amount": 0.99, "finetuneEpochs": 2},
        "gate": {"accuracy": {"minImprovement": 0.9}, "onMiss": "Rollback"},
    },
    {"name": "onnx", "export": {"format": "onnx"}},
]


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser; where it can't be had its tests are skipped, but on CI that is an error."""
    try:
        with browser(tmp_path_factory.mktemp("profile")) as opened:
            yield opened
    except BinariesMissingError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that trained, rolled a step back and exported."""
    model = {"factory": "trainwright_trainers.pytorch.models:mlp", "args": {"inputs": 64, "classes": 10}}
    data = {"factory": "trainwright_trainers.data:digits"}
    run = Run(tmp_path_factory.mktemp("run"), manifest(STEPS, model=model, data=data))
    try:
        assert run.wait() == 0, run.said
        assert "The report is output/report.html" in run.said
        return run.output
    finally:
        run.end()


def _history(directory: Path, step: str, name: str) -> list[float]:
    lines = (directory / "steps" / step / "history.jsonl").read_text().splitlines()
    return [record[name] for record in map(json.loads, lines) if name in record]


def _open(chromium: Browser, page: Path, width: int) -> None:
    """Opens the page with everything in it unfolded."""
    chromium.said(), chromium.requests()  # of the page before
    chromium.open(page.as_uri(), width)
    chromium.run("document.querySelectorAll('details').forEach(element => element.open = true)")


SPILLED = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
POINTS = """
const counts = {};
for (const chart of document.querySelectorAll('#training-train figure'))
  for (const curve of chart.querySelectorAll('[data-curve]'))
    counts[chart.querySelector('figcaption').firstChild.data.trim() + ': ' + curve.dataset.curve] =
      [...curve.querySelectorAll('polyline')].reduce((sum, line) => sum + line.points.length, 0);
return counts;
"""


def test_charts_have_as_many_points_as_the_history(chromium: Browser, finished: Path) -> None:
    _open(chromium, finished / "report.html", DESK)
    steps, epochs = len(_history(finished, "train", "loss")), len(_history(finished, "train", "validationLoss"))
    assert (steps > 30, epochs) == (True, 4)
    assert chromium.run(POINTS) == {
        "Loss: training": steps,
        "Loss: validation": epochs,
        "Accuracy: validation": epochs,
        "Learning rate: learning rate": steps,
        "Throughput, samples a second: all workers together": steps,
        "Memory of rank 0: resident": steps,
    }


def test_page_shows_what_was_made_and_what_was_rolled_back(chromium: Browser, finished: Path) -> None:
    _open(chromium, finished / "report.html", DESK)
    said = chromium.run("return document.body.innerText")
    for words in (
        "RolledBack",
        "Gate missed",
        "The last accepted artifact is onnx",
        "onnxruntime",
        "Numbers of step train",
    ):
        assert words in said
    marks = chromium.run("return [...document.querySelectorAll('.mark title')].map(title => title.textContent)")
    assert len(marks) == 6, "three artifacts by size, and by latency"


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_page_loads_nothing_says_nothing_and_fits(chromium: Browser, finished: Path, width: int, colours: str) -> None:
    features = [{"name": "prefers-color-scheme", "value": colours}]
    chromium.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page = finished / "report.html"
    _open(chromium, page, width)
    assert chromium.said() == []
    assert [url for url in chromium.requests() if not url.startswith("data:")] == [page.as_uri()]
    assert chromium.run("return window.innerWidth") == width
    assert chromium.run(SPILLED) == 0
    background = chromium.run("return getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(246, 247, 249)", "dark": "rgb(17, 22, 29)"}[colours]


NAMELESS = """
return [...document.querySelectorAll('svg, [tabindex]')]
  .filter(element => !element.getAttribute('aria-label') && element.tagName !== 'PRE')
  .map(element => element.outerHTML.slice(0, 200));
"""


def test_every_drawing_has_words_and_a_table(chromium: Browser, finished: Path) -> None:
    _open(chromium, finished / "report.html", DESK)
    assert chromium.run(NAMELESS) == []
    assert chromium.run("return document.querySelectorAll('table thead th[scope=col]').length") > 20
    rows = chromium.run("return document.querySelectorAll('#training-train tbody tr').length")
    assert rows == 4, "one an epoch"


def test_markup_in_what_users_and_artifacts_say_is_text(chromium: Browser, finished: Path, tmp_path: Path) -> None:
    attacked = tmp_path / "attacked"
    shutil.copytree(finished, attacked, ignore=shutil.ignore_patterns("checkpoints"))
    body = json.loads((attacked / "trainingjob.json").read_text())
    first, second, _ = body["status"]["steps"]
    first["notes"], second["gate"]["message"] = [HOSTILE], HOSTILE
    for artifact in (first["artifact"], *body["status"]["artifacts"]):
        artifact["format"] = HOSTILE
    for condition in body["status"]["conditions"]:
        condition["message"] = HOSTILE
    (attacked / "trainingjob.json").write_text(json.dumps(body))
    for line in (
        {"event": "started", "python": HOSTILE, "packages": {HOSTILE: HOSTILE}},
        {"event": "ended", "message": HOSTILE},
    ):
        with (attacked / "steps/train/journal.jsonl").open("a") as file:
            file.write(json.dumps(line | {"time": 1.8e9}) + "\n")
    made = CliRunner().invoke(app, ["report", str(attacked), "--output", str(tmp_path / "page.html")])
    assert made.exit_code == 0, made.output
    _open(chromium, tmp_path / "page.html", PHONE)
    assert chromium.run("return document.title").startswith("job: Complete")
    assert chromium.run("return document.querySelectorAll('script, img, iframe, [onerror], [onload]').length") == 0
    assert chromium.run("return document.body.innerText.split(arguments[0]).length", HOSTILE) > 6, (
        "it is shown as it is"
    )
    assert chromium.said() == []
    assert [url for url in chromium.requests() if not url.startswith("data:")] == [(tmp_path / "page.html").as_uri()]
    assert chromium.run(SPILLED) == 0
