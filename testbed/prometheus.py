"""A real Prometheus server and its promtool: from PATH, else out of Debian's package, which is unpacked into the cache.

Nothing is installed: the package would start a server of its own.
"""

import json
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from testbed.build import BinariesMissingError, cache_directory
from testbed.components import HOST
from testbed.processes import Process
from testbed.waiting import wait_until
from trainwright.local.ports import free_ports

PACKAGE = "prometheus"
SCRAPE_SECONDS = 1


def find_promtool() -> Path:
    """promtool. Raises BinariesMissingError where it can't be had."""
    return _find("promtool")


def find_prometheus() -> Path:
    """The server. Raises BinariesMissingError where it can't be had."""
    return _find("prometheus")


def _find(name: str) -> Path:
    installed = shutil.which(name)
    return Path(installed) if installed else _unpacked() / "usr/bin" / name


def _unpacked() -> Path:
    """The folder that Debian's package is unpacked in, fetched first where the cache has none."""
    target = cache_directory() / PACKAGE
    if target.is_dir():
        return target
    if shutil.which("apt-get") is None:
        raise BinariesMissingError("no prometheus and promtool on PATH, and no apt-get to fetch them: install them")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{PACKAGE}.", dir=target.parent) as scratch:
        if not _fetched(scratch):
            subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)  # may need root
            if not _fetched(scratch):
                raise BinariesMissingError("no prometheus and promtool on PATH, and `apt-get download` fails")
        (package,) = Path(scratch).glob("*.deb")
        output = Path(scratch, "output")
        subprocess.run(["dpkg-deb", "--extract", str(package), str(output)], check=True)
        if not target.is_dir():
            output.rename(target)
    return target


def _fetched(folder: str) -> bool:
    command = ["apt-get", "download", "-q", PACKAGE]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def fixed_targets(name: str, *addresses: str) -> dict[str, Any]:
    """A scrape config for what is at these hosts and ports all the time."""
    return {"job_name": name, "honor_labels": True, "static_configs": [{"targets": list(addresses)}]}


class Prometheus(Process):
    """A server that scrapes every second and knows our rules.

    Args:
        directory: for its configuration, data and log.
        scrapes: its `scrape_configs`.
        rules: files with rules.
    """

    def __init__(self, directory: Path, scrapes: Sequence[Mapping[str, Any]], rules: Sequence[Path]) -> None:
        (self.port,) = free_ports(1)
        configuration = {
            "global": {"scrape_interval": f"{SCRAPE_SECONDS}s", "evaluation_interval": f"{SCRAPE_SECONDS}s"},
            "rule_files": [str(path) for path in rules],
            "scrape_configs": list(scrapes),
        }
        file = directory / "prometheus.yaml"
        file.write_text(yaml.safe_dump(configuration))
        command = [
            str(find_prometheus()),
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={HOST}:{self.port}",
        ]
        super().__init__(command, directory)

    def start_ready(self) -> None:
        """Starts it and waits until it answers queries."""
        self.start(lambda: self._get("-/ready") is not None)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an instant query gives, each with `metric` and `value`."""
        page = self._get(f"api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        result: list[dict[str, Any]] = json.loads(page)["data"]["result"]
        return result

    def wait_for(self, expression: str, seconds: float = 60) -> list[dict[str, Any]]:
        """What a query gives, once it gives anything."""
        wait_until(lambda: self.query(expression), f"the query {expression} gives data", seconds)
        return self.query(expression)

    def _get(self, path: str) -> bytes:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{HOST}:{self.port}/{path}", timeout=10) as page:
            body: bytes = page.read()
        return body
