"""A step that trains more than once, told as one."""

from typing import Unpack

from trainwright_trainers.runtime.progress import Figures, Progress


class Phase(Progress):
    """The progress of one of several trainings that follow each other, as a part of the whole step's.

    Every training is taken to last as long as the others.
    """

    def __init__(self, whole: Progress, index: int, count: int) -> None:
        super().__init__()
        self._whole = whole
        self._index = index
        self._count = count

    def update(self, **figures: Unpack[Figures]) -> None:
        """Replace the given figures in the whole step's progress."""
        super().update(**figures)
        ratio, eta = figures.get("progress_ratio"), figures.get("eta_seconds")
        if ratio is not None and eta is not None:
            to_come = self._count - self._index - 1
            figures["progress_ratio"] = (self._index + ratio) / self._count
            figures["eta_seconds"] = eta + (to_come * eta / (1 - ratio) if ratio < 1 else 0.0)
        self._whole.update(**figures)
