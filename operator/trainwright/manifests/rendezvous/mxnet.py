"""MXNet: ps-lite's DMLC_* variables, and MX_CONFIG as Kubeflow's operator had it.

The scheduler and the servers of the key-value store run beside the workers of the first pods: the trainer starts them
itself, a program of the user's is started once for each role. Where it has `run.roles`, they are pods of their own.
Source: https://mxnet.apache.org/versions/1.9.1/api/faq/distributed_training
"""

import json
from collections.abc import Sequence

from trainwright.api.contract import INDEX_VARIABLE, PROCESSES_VARIABLE
from trainwright.manifests.rendezvous.group import INDEX, Group
from trainwright.manifests.site import Endpoint

_LOOPBACK = "127.0.0.1"
_BESIDE = f"""\
[ "${INDEX_VARIABLE}" = 0 ] || exec "$@"
"$@" & worker=$!
trap 'kill -TERM $worker' TERM
for role in scheduler server; do
  (DMLC_ROLE=$role "$@" || kill -KILL $worker) &
done
while kill -0 $worker 2>/dev/null; do wait $worker; code=$?; done
exit $code
"""
"""The first pod's program in all three roles. Where scheduler or server fails, the worker would wait for ever."""

_CONFIG_VARIABLE = "TRAINWRIGHT_MX_CONFIG"
"""MX_CONFIG up to its task, where the workers have roles and each adds its own."""
TELL_TASK = (
    "export DMLC_ROLE=$role"
    rf' MX_CONFIG="${_CONFIG_VARIABLE}, \"task\": {{\"type\": \"$role\", \"index\": $number}}}}";'
    f' case "$role-${PROCESSES_VARIABLE}" in'
    " worker-1) export DMLC_WORKER_ID=$number;; server-*) export DMLC_SERVER_ID=$number;; esac"
)
"""Shell that tells the program its `$role` and `$number`."""


def with_servers(command: Sequence[str]) -> list[str]:
    """A program of the user's that runs in every role, as MXNet's own launcher starts it; `import mxnet` does the rest.

    The first pod ends as its worker does.
    """
    return ["/bin/sh", "-c", _BESIDE, "sh", *command]


def environment(group: Group) -> dict[str, str]:
    """The scheduler's address, how many take part, and heartbeats, without which a lost node is never noticed.

    In a pod the scheduler listens on all addresses (DMLC_USE_KUBERNETES); on one machine all stay on the loopback.
    The number of a worker is set only where a pod has one.
    """
    cluster = _cluster(group)
    (scheduler,) = cluster["scheduler"]
    alone = scheduler.host == _LOOPBACK
    variables = {
        "DMLC_PS_ROOT_URI": scheduler.host,
        "DMLC_PS_ROOT_PORT": str(scheduler.port),
        "DMLC_NUM_SERVER": str(len(cluster["server"])),
        "DMLC_NUM_WORKER": str(len(cluster["worker"]) * group.processes),
        "DMLC_USE_KUBERNETES": "0" if alone else "1",
        "PS_HEARTBEAT_INTERVAL": "1",
        "PS_HEARTBEAT_TIMEOUT": "5",
    }
    if alone:
        variables["DMLC_NODE_HOST"] = _LOOPBACK
    config = {
        "cluster": {role: [{"url": place.host, "port": place.port} for place in cluster[role]] for role in cluster},
        "labels": dict.fromkeys(cluster, ""),
    }
    if group.tasks:
        return variables | {_CONFIG_VARIABLE: json.dumps(config).removesuffix("}")}
    config = config | {"task": {"type": "worker", "index": "INDEX"}}
    variables |= {"MX_CONFIG": json.dumps(config).replace('"INDEX"', INDEX), "DMLC_ROLE": "worker"}
    return variables | ({"DMLC_WORKER_ID": INDEX} if group.processes == 1 else {})


def _cluster(group: Group) -> dict[str, tuple[Endpoint, ...]]:
    """Where those of each role are; the workers of a group without roles have the others beside them."""
    if group.tasks:
        return {role: group.of_role(role) for role in ("scheduler", "server", "worker")}
    return {
        "scheduler": group.endpoints[:1],
        "server": group.endpoints[: group.servers],
        "worker": group.endpoints,
    }
