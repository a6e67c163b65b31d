"""What the chart makes of its values: the right ones by default, and words for the wrong ones."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.helm import CHART, HelmError, helm, render, values_flags
from tests.cluster.chart import EVERYTHING, of_kind
from trainwright.api.capabilities import CAPABILITIES
from trainwright.controller.options import read_config

pytestmark = pytest.mark.usefixtures("helm_program")

DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_lint_finds_nothing(values: dict[str, Any]) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", str(CHART), *values_flags(values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replica": 2}, ["replica", "not allowed"]),
        ({"replicas": "two"}, ["/replicas", "got string, want integer"]),
        ({"image.pullPolicy": "Sometimes"}, ["/image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"]),
        ({"image.digest": "sha256:0"}, ["/image/digest", "does not match pattern"]),
        ({"trainerImages.pytorhc": "x"}, ["/trainerImages", "pytorhc", "not allowed"]),
        ({"namespaces": "team-a"}, ["/namespaces", "got string, want array"]),
        ({"networkPolicy.egress.apiServerPorts": [0]}, ["/networkPolicy/egress/apiServerPorts/0", "minimum"]),
        ({"podDisruptionBudget.maxUnavailable": 0}, ["/podDisruptionBudget/maxUnavailable"]),
        ({"monitoring.podMonitor.interval": 15}, ["/monitoring/podMonitor/interval", "got number, want string"]),
        (
            {"monitoring.serviceMonitor.enabled": True, "service.enabled": False},
            ["monitoring.serviceMonitor.enabled needs service.enabled"],
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_with_its_name(values: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(HelmError) as refusal:
        render(values)
    assert [words for words in said if words not in str(refusal.value)] == [], str(refusal.value)


def test_the_chart_has_the_version_of_the_package() -> None:
    package = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (package, package)


def images(values: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    """The operator's image, and those of the frameworks as the operator reads them from its configuration file."""
    objects = render(values)
    file = tmp_path / "config.yaml"
    file.write_text(of_kind(objects, "ConfigMap")["data"]["config.yaml"])
    (container,) = of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    return {"operator": container["image"], **read_config(file).images}


def test_every_framework_has_an_image_of_the_operators_version(tmp_path: Path) -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    expected = {name: f"trainwright/{name}:{version}" for name in ("operator", *CAPABILITIES)}
    assert images({}, tmp_path) == expected


def test_jobs_have_a_network_policy_unless_that_is_switched_off(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for switch in (True, False):
        config = of_kind(render({"networkPolicy.jobs": switch}), "ConfigMap")["data"]["config.yaml"]
        file.write_text(config)
        assert read_config(file).network_policies is switch


def test_a_registry_of_ones_own_goes_before_all_images_but_those_that_are_named(tmp_path: Path) -> None:
    own = {"image.registry": "registry.example/mirror", "image.tag": "2", "trainerImages.jax": "team/jax@" + DIGEST}
    assert images({**own, "image.digest": DIGEST}, tmp_path) == {
        "operator": f"registry.example/mirror/trainwright/operator@{DIGEST}",
        "pytorch": "registry.example/mirror/trainwright/pytorch:2",
        "tensorflow": "registry.example/mirror/trainwright/tensorflow:2",
        "mxnet": "registry.example/mirror/trainwright/mxnet:2",
        "jax": f"team/jax@{DIGEST}",
    }


def test_a_change_of_the_configuration_restarts_the_operator() -> None:
    def marks(values: dict[str, Any]) -> str:
        return json.dumps(of_kind(render(values), "Deployment")["spec"]["template"]["metadata"])

    assert marks({"replicas": 3}) == marks({})
    assert marks({"trainerImages.jax": "team/jax:2"}) != marks({})


def test_releases_for_different_namespaces_share_nothing() -> None:
    def names(team: str) -> set[tuple[str, str, str]]:
        values = {"namespaces": [team], "crds.enabled": False, "rbac.userRoles": False}
        objects = render(values, name=team, namespace="trainwright-system")
        return {(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]) for body in objects}

    assert all(namespace for _, namespace, _ in names("team-a"))
    assert not names("team-a") & names("team-b")


def test_names_fit_however_long_the_releases_name_is() -> None:
    long = render({}, name="a" * 53)
    assert max(len(body["metadata"]["name"]) for body in long if body["kind"] != "CustomResourceDefinition") <= 63
    assert {body["metadata"]["name"] for body in render({}) if body["kind"] == "Deployment"} == {"trainwright-operator"}


def test_every_dashboard_and_every_file_of_alerts_is_taken_in_as_it_is() -> None:
    objects = render(EVERYTHING)
    dashboards = [body["data"] for body in objects if body["kind"] == "ConfigMap" and "config.yaml" not in body["data"]]
    rules = [body["spec"] for body in objects if body["kind"] == "PrometheusRule"]
    assert [json.loads(text) for data in dashboards for text in data.values()] == [
        json.loads(file.read_text()) for file in sorted((CHART / "dashboards").glob("*.json"))
    ]
    assert rules == [yaml.safe_load(file.read_text()) for file in sorted((CHART / "rules").glob("*.yaml"))]
