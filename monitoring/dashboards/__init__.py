"""The dashboards by name; each is one file."""

import json
from collections.abc import Callable

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards import fleet, job, operator

DASHBOARDS: dict[str, Callable[[], Dashboard]] = {
    "fleet": fleet.make,
    "job": job.make,
    "operator": operator.make,
}


def as_json(dashboard: Dashboard) -> str:
    """What Grafana imports."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"
