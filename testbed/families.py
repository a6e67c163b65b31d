"""The programs of the control plane, grouped by the Go module that pins them: one version a group."""

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

MODULES = Path(__file__).parent / "go"


@dataclass(frozen=True)
class Family:
    """One Go module under `testbed/go`, the programs it builds and the files it lends.

    `programs` maps a program's file name to the Go package it is built from; `files` are paths inside `module`.
    `stamps` are the linker's `-X` variables with `{version}`, `{major}` and `{minor}` to fill in.
    """

    name: str
    module: str
    programs: dict[str, str]
    stamps: dict[str, str]
    files: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """The folder with go.mod and go.sum."""
        return MODULES / self.name

    @property
    def version(self) -> str:
        """The pinned version, such as `v1.34.4`: go.mod is the only place that states it."""
        found = re.search(
            rf"^(?:require)?\s+{re.escape(self.module)} (v\S+)(?: // indirect)?$", self._go_mod(), re.MULTILINE
        )
        assert found, f"{self.directory}/go.mod does not require {self.module}"
        return found.group(1)

    @property
    def ldflags(self) -> str:
        """What the linker writes into the programs: no symbol tables, and the version they report."""
        version = self.version
        major, minor = version.removeprefix("v").split(".")[:2]
        stamps = [f"-X {key}={value}" for key, value in self.stamps.items()]
        return " ".join(["-s -w", *stamps]).format(version=version, major=major, minor=minor)

    @property
    def key(self) -> str:
        """Names one build: it changes with any pinned dependency, with the flags, and with the platform."""
        own = [path.read_text() for path in sorted(self.directory.glob("*.go"))]
        parts = (self._go_mod(), (self.directory / "go.sum").read_text(), self.ldflags, *self.files, *own)
        digest = hashlib.sha256("\0".join([*parts, sys.platform, platform.machine()]).encode())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def _go_mod(self) -> str:
        return (self.directory / "go.mod").read_text()


def _kubernetes_stamps() -> dict[str, str]:
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    values = {"gitVersion": "{version}", "gitMajor": "{major}", "gitMinor": "{minor}"}
    return {f"{package}.{key}": value for package in packages for key, value in values.items()}


KUBERNETES = Family(
    name="kubernetes",
    module="k8s.io/kubernetes",
    programs={
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in (
            *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
            *("kubelet", "kube-proxy"),
        )
    },
    stamps=_kubernetes_stamps(),
)

ETCD = Family(
    name="etcd", module="go.etcd.io/etcd/server/v3", programs={"etcd": "go.etcd.io/etcd/server/v3"}, stamps={}
)

KWOK = Family(
    name="kwok",
    module="sigs.k8s.io/kwok",
    programs={"kwok": "sigs.k8s.io/kwok/cmd/kwok"},
    stamps={"sigs.k8s.io/kwok/pkg/consts.Version": "{version}"},
    files=(
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
    ),
)

HELM = Family(
    name="helm",
    module="helm.sh/helm/v4",
    programs={"helm": "helm.sh/helm/v4/cmd/helm"},
    stamps={"helm.sh/helm/v4/internal/version.version": "{version}"},
)

MONITORING_CRDS = Family(
    name="monitoring",
    module="github.com/prometheus-operator/prometheus-operator",
    programs={},
    stamps={},
    files=tuple(
        f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml"
        for plural in ("podmonitors", "prometheusrules", "servicemonitors")
    ),
)

COREDNS = Family(
    name="coredns",
    module="github.com/coredns/coredns",
    programs={"coredns": "."},
    stamps={},
)

FAMILIES = (KUBERNETES, ETCD, KWOK, HELM, MONITORING_CRDS, COREDNS)
