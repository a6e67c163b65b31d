"""Finds the control plane's programs: KUBEBUILDER_ASSETS, then PATH, then the cache, which building them fills."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.build import cached_or_built
from testbed.families import COREDNS, ETCD, FAMILIES, HELM, KUBERNETES, KWOK, MONITORING_CRDS


@dataclass(frozen=True)
class Binaries:
    """Paths of the programs that a ControlPlane starts, and of the stages that kwok plays."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kube_scheduler: Path
    kwok: Path
    kwok_stages: tuple[Path, ...]


def find_binaries() -> Binaries:
    """Finds or builds what a ControlPlane needs.

    The Kubernetes programs are taken from one place, all or none: the API server, the controller manager and the
    scheduler must not differ in version. kwok always comes from the cache, because its stages belong to its version.

    Raises BinariesMissingError with what to install.
    """
    kubernetes = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    apiserver, manager, scheduler = _installed(*kubernetes) or _in(cached_or_built(KUBERNETES), *kubernetes)
    (etcd,) = _installed("etcd") or _in(cached_or_built(ETCD), "etcd")
    kwok = cached_or_built(KWOK)
    return Binaries(
        etcd=etcd,
        kube_apiserver=apiserver,
        kube_controller_manager=manager,
        kube_scheduler=scheduler,
        kwok=kwok / "kwok",
        kwok_stages=tuple(kwok / Path(file).name for file in KWOK.files),
    )


def find_kubectl() -> Path:
    """kubectl from KUBEBUILDER_ASSETS or PATH, else the one built with the control plane."""
    (kubectl,) = _installed("kubectl") or _in(cached_or_built(KUBERNETES), "kubectl")
    return kubectl


def find_helm() -> Path:
    """The pinned helm, whatever is installed: another version may print a chart's objects in other words."""
    return cached_or_built(HELM) / "helm"


def find_monitoring_crds() -> list[Path]:
    """The CRDs of the Prometheus operator that charts make objects of."""
    folder = cached_or_built(MONITORING_CRDS)
    return [folder / Path(file).name for file in MONITORING_CRDS.files]


@dataclass(frozen=True)
class NodeBinaries:
    """Paths of the programs that a real node runs, beside Debian's."""

    kubelet: Path
    kube_proxy: Path
    coredns: Path


def find_node_binaries() -> NodeBinaries:
    """Finds or builds them, as `find_binaries` does."""
    kubelet, proxy = _in(cached_or_built(KUBERNETES), "kubelet", "kube-proxy")
    (coredns,) = _in(cached_or_built(COREDNS), "coredns")
    return NodeBinaries(kubelet=kubelet, kube_proxy=proxy, coredns=coredns)


def build_all() -> list[Path]:
    """Builds every family that the cache lacks, whatever is installed; returns their folders."""
    return [cached_or_built(family) for family in FAMILIES]


def _installed(*names: str) -> list[Path] | None:
    """The named programs from the first place that has all of them."""
    for search_path in (os.environ.get("KUBEBUILDER_ASSETS"), os.environ.get("PATH")):
        found = [shutil.which(name, path=search_path) for name in names] if search_path else [None]
        if all(found):
            return [Path(path) for path in found if path]
    return None


def _in(folder: Path, *names: str) -> list[Path]:
    return [folder / name for name in names]
