"""/metrics as a Prometheus server gets it."""

import asyncio
import time

import aiohttp
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily

from trainwright.controller.exposition import serve_metrics
from trainwright.local.ports import free_ports

SLOW_SECONDS = 1.0


class Slow:
    """A collector that takes its time."""

    def collect(self) -> list[GaugeMetricFamily]:
        time.sleep(SLOW_SECONDS)
        family = GaugeMetricFamily("made_up", "a number", labels=["name"])
        for number in range(1000):
            family.add_metric([f"series-{number}"], number)
        return [family]


def test_a_slow_page_is_served_compressed_and_holds_nothing_up() -> None:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Slow())

    async def scrape(port: int) -> tuple[dict[str, str], str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            return {name: answer.headers[name] for name in ("Content-Type", "Content-Encoding")}, await answer.text()

    async def scenario() -> int:
        (port,) = free_ports(1)
        async with serve_metrics(registry, port):
            scraping = asyncio.create_task(scrape(port))
            turns = 0
            while not scraping.done():
                await asyncio.sleep(SLOW_SECONDS / 100)
                turns += 1
            headers, page = await scraping
        assert headers["Content-Type"].startswith("text/plain; version=")
        assert headers["Content-Encoding"] in ("gzip", "deflate")
        assert 'made_up{name="series-999"} 999.0' in page
        return turns

    assert asyncio.run(scenario()) > 10, "the loop stood still meanwhile"
