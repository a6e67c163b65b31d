"""A Kubernetes control plane for tests: etcd, API server, controller manager, scheduler, and kwok for the nodes."""

import os
import re
import ssl
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from testbed import components, fakes
from testbed.api import ApiClient, ApiError
from testbed.audit import AuditEvent, read_audit_log
from testbed.binaries import find_binaries
from testbed.cluster import Cluster
from testbed.components import HOST, Setup
from testbed.kubeconfig import certificate_kubeconfig, write_kubeconfig
from testbed.processes import Process, Usage
from testbed.request_counts import Request, request_counts

ADMINISTRATORS = "system:masters"
DIRECTORY_PREFIX = "trainwright-testbed-"
"""Of the directories of control planes, which go on with the id of the process that made them."""


class ControlPlane(Cluster):
    """A control plane of its own on the loopback address, from `with` to the end of the block.

    Enter it on a thread that lives as long as it does: the programs are bound to that thread. Raises
    BinariesMissingError where the programs are missing, and StartError with a program's last words.
    """

    _setup: Setup
    _processes: dict[str, Process]
    _running: ExitStack
    _kubeconfigs: dict[tuple[str, tuple[str, ...]], Path]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{DIRECTORY_PREFIX}{os.getpid()}-"))
            self._processes = {}
            self._kubeconfigs = {}
            self._begin(stack, Path(directory))
            self._running = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    @property
    def directory(self) -> Path:
        """Where the logs, the certificates and the data lie until the end."""
        return self._setup.directory

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each program, by its name."""
        return {name: process.pid for name, process in self._processes.items()}

    def kubeconfig(self, user: str = "admin", groups: Sequence[str] = (ADMINISTRATORS,)) -> Path:
        """A kubeconfig with a client certificate for any user: who it is and what groups it is in is what you say.

        RBAC decides what it may do, unless it is in `system:masters`, as it is when `groups` is left out.
        """
        key = (user, tuple(groups))
        if key not in self._kubeconfigs:
            certificate = self._setup.authority.client(user, groups)
            config = certificate_kubeconfig(self._setup.server, self._setup.authority.certificate, user, certificate)
            name = f"{len(self._kubeconfigs)}-{re.sub(r'[^a-zA-Z0-9]+', '-', user)}.kubeconfig"
            self._kubeconfigs[key] = write_kubeconfig(self.directory / name, config)
        return self._kubeconfigs[key]

    def add_fake_nodes(self, count: int, gpus: int = 0, cpu: str = "64", memory: str = "512Gi") -> list[str]:
        """See `fakes.add_fake_nodes`."""
        return fakes.add_fake_nodes(self.client, count, gpus, cpu, memory)

    @contextmanager
    def api_server_down(self) -> Iterator[None]:
        """The API server is stopped inside the block, and back afterwards: same port, same data, same certificates."""
        process = self._processes["kube-apiserver"]
        process.stop()
        try:
            yield
        finally:
            process.start(self._api_server_ready)

    def restart_api_server(self) -> None:
        """Every watch and connection breaks; returns when the API server is ready again.

        Kubernetes' own controllers come back by themselves, after seconds, and after up to a minute when this is
        repeated: their clients wait longer each time.
        """
        with self.api_server_down():
            pass

    def audit_events(self, user: str | None = None) -> Iterator[AuditEvent]:
        """All requests so far, or those of one user. A request may be logged a moment after its answer has arrived."""
        return (event for event in read_audit_log(self._setup.audit_log) if user is None or event.user == user)

    def request_counts(self) -> Counter[Request]:
        """See `request_counts.request_counts`; a restart of the API server begins at zero."""
        return request_counts(self.client)

    def usage(self) -> dict[str, Usage]:
        """Memory and CPU time of each program, by its name."""
        return {name: process.usage() for name, process in self._processes.items()}

    def _begin(self, stack: ExitStack, directory: Path) -> None:
        """Starts everything; what is put on the stack is ended in reverse order."""
        self._setup = Setup.create(directory, find_binaries())
        self._start(stack)

    def _start(self, stack: ExitStack) -> None:
        setup = self._setup
        self._launch(stack, components.etcd(setup)).wait(lambda: self._ok(f"http://{HOST}:{setup.ports.etcd}/readyz"))
        self._launch(stack, components.api_server(setup)).wait(self._api_server_ready)
        manager_user, scheduler_user = "system:kube-controller-manager", "system:kube-scheduler"
        manager = self._launch(stack, components.controller_manager(setup, self.kubeconfig(manager_user, ())))
        scheduler = self._launch(stack, components.scheduler(setup, self.kubeconfig(scheduler_user, ())))
        kwok = self._launch(stack, components.kwok(setup, self.kubeconfig("kwok")))
        manager.wait(lambda: self._ok(f"https://{HOST}:{setup.ports.controller_manager}/healthz"))
        scheduler.wait(lambda: self._ok(f"https://{HOST}:{setup.ports.scheduler}/healthz"))
        kwok.wait(lambda: self._ok(f"http://{HOST}:{setup.ports.kwok}/healthz"))

    def _launch(self, stack: ExitStack, command: list[str]) -> Process:
        process = Process(command, self.directory)
        self._processes[process.name] = process
        stack.callback(process.stop)
        process.launch()
        return process

    def _api_server_ready(self) -> bool:
        return self._ok(f"{self._setup.server}/readyz")

    def _ok(self, url: str) -> bool:
        """Whether a health endpoint answers with 200. Raises OSError until the program listens."""
        tls = ssl.create_default_context(cadata=self._setup.authority.certificate)
        try:
            ApiClient(url, tls).text("")
        except ApiError:
            return False
        return True
