"""/metrics: what a Prometheus server scrapes."""

import asyncio
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from trainwright.controller.serving import serve


def serve_metrics(registry: CollectorRegistry, port: int) -> AbstractAsyncContextManager[None]:
    """Serves the registry's metrics while the block runs."""

    async def handler(_: web.Request) -> web.Response:
        # In a thread: a page of thousands of jobs takes a moment, in which passes go on and the lease is renewed.
        page = await asyncio.to_thread(generate_latest, registry)
        response = web.Response(body=page, headers={"Content-Type": CONTENT_TYPE_LATEST})
        response.enable_compression()
        return response

    return serve({"/metrics": handler}, port)
