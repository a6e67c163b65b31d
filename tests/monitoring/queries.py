"""Every query that people see: of the dashboards' panels and of the rules."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "charts/trainwright/rules").glob("*.yaml"))
DASHBOARDS = sorted((ROOT / "charts/trainwright/dashboards").glob("*.json"))
RUNBOOKS = ROOT / "docs/runbooks"


def rules() -> list[dict[str, Any]]:
    """Every rule."""
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The rules that alert."""
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """The names of the series that rules record."""
    return {rule["record"] for rule in rules() if "record" in rule}


def panels(path: Path) -> Iterator[tuple[str, str]]:
    """Title and query of every target of a dashboard's panels."""
    for panel in json.loads(path.read_text())["panels"]:
        for target in panel.get("targets") or ():
            yield panel["title"], target["expr"]


def variables(path: Path) -> list[str]:
    """The queries that find the values of a dashboard's variables."""
    listed = json.loads(path.read_text())["templating"]["list"]
    return [item["query"] for item in listed if item["type"] == "query"]


def series_in(query: str) -> set[str]:
    """The names of our series in a query."""
    bare = re.sub(r'"[^"]*"', '""', query)
    return set(re.findall(r"[a-z_:]*trainwright_[a-z0-9_:]+", bare))
