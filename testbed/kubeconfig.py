"""Kubeconfig files."""

import base64
import json
from pathlib import Path
from typing import Any

from testbed.certificates import Certificate


def certificate_kubeconfig(server: str, authority: str, user: str, certificate: Certificate) -> dict[str, Any]:
    """A kubeconfig for a user that shows a client certificate; `authority` is the server's CA, PEM."""
    credentials = {
        "client-certificate-data": _encoded(certificate.certificate),
        "client-key-data": _encoded(certificate.key),
    }
    cluster = {"server": server, "certificate-authority-data": _encoded(authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": user}}],
        "current-context": "testbed",
    }


def write_kubeconfig(path: Path, config: dict[str, Any]) -> Path:
    """Writes the file for the owner's eyes only; JSON is YAML too."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


def _encoded(pem: str) -> str:
    return base64.b64encode(pem.encode()).decode()
