"""How long programs took to be compiled, and how many of them an earlier process had compiled already."""

import jax.monitoring

from trainwright.api.base import JsonObject

COMPILED = "/jax/core/compile/backend_compile_duration"
FOUND = "/jax/compilation_cache/cache_hits"


class Compilation:
    """Counts from its creation on.

    Attributes:
        programs: that were needed.
        from_cache: how many of them were found compiled.
        seconds: for all, compiling them or reading them.
    """

    def __init__(self) -> None:
        self.programs = self.from_cache = 0
        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._duration)
        jax.monitoring.register_event_listener(self._event)

    def _duration(self, event: str, duration_secs: float, **_: object) -> None:
        if event == COMPILED:
            self.programs += 1
            self.seconds += duration_secs

    def _event(self, event: str, **_: object) -> None:
        self.from_cache += event == FOUND

    @property
    def details(self) -> JsonObject:
        """For the step's result."""
        return {
            "compilation": {
                "programs": self.programs,
                "fromCache": self.from_cache,
                "seconds": round(self.seconds, 3),
            }
        }
