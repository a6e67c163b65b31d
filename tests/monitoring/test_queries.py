"""Dashboards, rules and runbooks fit the metrics that there are, and each other."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.catalogue import all_series
from testbed.prometheus import find_promtool
from tests.monitoring.queries import (
    DASHBOARDS,
    ROOT,
    RULES,
    RUNBOOKS,
    alerts,
    panels,
    recorded,
    rules,
    series_in,
    variables,
)

KNOWN = all_series() | recorded()


@pytest.fixture(scope="module")
def promtool(prometheus_programs: None) -> str:
    return str(find_promtool())


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_panels_ask_for_nothing_that_does_not_exist(path: Path) -> None:
    queries = [query for _, query in panels(path)]
    assert len(queries) > 10
    for query in (*queries, *variables(path)):
        assert series_in(query) - KNOWN == set(), query
        assert series_in(query), query


def test_rules_ask_for_nothing_that_does_not_exist() -> None:
    for rule in rules():
        assert series_in(rule["expr"])
        assert series_in(rule["expr"]) - KNOWN == set(), rule["expr"]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_fits_its_grid_and_names_its_source(path: Path) -> None:
    body = json.loads(path.read_text())
    assert body["uid"] == f"trainwright-{path.stem}"
    places = [panel["gridPos"] for panel in body["panels"]]
    cells = [(x, y) for place in places for x in range(place["x"], place["x"] + place["w"]) for y in _rows(place)]
    assert len(cells) == len(set(cells)), "two panels lie upon each other"
    assert max(x for x, _ in cells) < 24
    for panel in body["panels"]:
        for target in panel.get("targets") or ():
            assert target["datasource"]["uid"] == "${datasource}"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_one_by_grafanas_own_schema(path: Path) -> None:
    body = json.loads(path.read_text())
    plugins.register_default_plugins()  # the schemas of the panels' options and of Prometheus' queries
    assert json.loads(json.dumps(Dashboard.from_json(body), cls=JSONEncoder)) == body


def _rows(place: dict[str, int]) -> range:
    return range(place["y"], place["y"] + place["h"])


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    names = {rule["alert"] for rule in alerts()}
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == names
    for rule in alerts():
        page = ROOT / rule["annotations"]["runbook_url"]
        assert page.stem == rule["alert"]
        assert page.read_text().startswith(f"# {rule['alert']}\n")
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}


def test_runbooks_name_no_metric_that_does_not_exist() -> None:
    for path in RUNBOOKS.glob("*.md"):
        assert series_in(path.read_text()) - KNOWN == set(), path.name


def test_promtool_accepts_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", *map(str, RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_unit_test_and_passes_it(promtool: str, tmp_path: Path) -> None:
    tests = Path(__file__).parent / "rules" / "alerts.yaml"
    text = tests.read_text()
    for rule in alerts():
        assert f"alertname: {rule['alert']}\n" in text, "it is never seen to fire"
        assert f"{{alertname: {rule['alert']}, " in text, "it is never seen to be silent"
    # promtool compares annotations, too; what they say is not what is tested here.
    for path in RULES:
        lines = path.read_text().splitlines()
        kept = [line for line in lines if not line.strip().startswith(("annotations", "summary", "descr", "runbook"))]
        (tmp_path / path.name).write_text("\n".join(kept) + "\n")
    shutil.copy(tests, tmp_path / "tests.yaml")
    done = subprocess.run(
        [promtool, "test", "rules", "tests.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
