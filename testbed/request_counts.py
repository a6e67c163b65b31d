"""How many requests the API server has answered, by its own count."""

from collections import Counter
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from testbed.api import ApiClient

METRIC = "apiserver_request_total"


class Request(NamedTuple):
    """One kind of request; `verb` is upper case, and LIST, GET and WATCH are told apart."""

    verb: str
    api_group: str
    resource: str
    subresource: str
    code: str


def request_counts(client: ApiClient) -> Counter[Request]:
    """Requests of all users since the API server started. A difference of two counters is what happened in between."""
    lines = (line for line in client.text("/metrics").splitlines() if line.startswith(METRIC))
    counts: Counter[Request] = Counter()
    for family in text_string_to_metric_families("\n".join(lines)):
        for sample in family.samples:
            labels = sample.labels
            request = Request(
                labels["verb"], labels["group"], labels["resource"], labels["subresource"], labels["code"]
            )
            counts[request] += int(sample.value)
    return counts
