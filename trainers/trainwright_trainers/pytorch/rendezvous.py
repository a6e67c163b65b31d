"""How an elastic group forms itself, and forms itself anew when its size has changed; docs/adr/ says why it is ours.

Worker 0, the one that is there as long as the group is, hosts a store and decides who takes part in each round:

- `log/<n>`: every `join <index>` and `leave <index>`, numbered in the order in which they came; `log` is their count.
- `ticket/<n>`: what became of the join of that number: nothing yet, `left` (the worker doesn't wait any more), or
  `invited` (worker 0 counts on it) and then its place in the round. Whoever sets it first, the two of them, decides.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from torch.distributed import DistError, PrefixStore, TCPStore  # type: ignore[attr-defined]
from torch.distributed.elastic.rendezvous.api import (
    RendezvousClosedError,
    RendezvousHandler,
    RendezvousInfo,
    RendezvousStoreInfo,
    rendezvous_handler_registry,
)
from torch.distributed.elastic.rendezvous.utils import parse_rendezvous_endpoint
from torch.distributed.launcher.api import LaunchConfig

from trainwright.api.contract import ELASTIC_RENDEZVOUS, INDEX_VARIABLE

CONNECT = timedelta(minutes=10)
"""How long worker 0 may take to start once its name is known."""
GATHER_SECONDS = 3.0
"""How long worker 0 waits for further newcomers before it interrupts the training for them."""
POLL_SECONDS = 0.1

LEFT, INVITED = "left", "invited"


@dataclass(frozen=True)
class Place:
    """A worker's place in a round."""

    round: int
    rank: int
    size: int

    def __str__(self) -> str:
        return f"{self.round} {self.rank} {self.size}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The place that `str` wrote."""
        return cls(*map(int, text.split()))


class ElasticRendezvous(RendezvousHandler):
    """One worker's part in forming the group, for all rounds: torchrun's agent is started anew in each.

    Args:
        index: the worker's index.
        host: worker 0's name.
        port: where it hosts the store.
        fewest: workers without which no round begins.
        expected: workers with which the first round begins at once.
        last_call: seconds that the first round waits for those expected once the fewest are there.
    """

    def __init__(self, index: int, host: str, port: int, *, fewest: int, expected: int, last_call: float) -> None:
        self._index, self._host, self._port = index, host, port
        self._fewest, self._expected, self._last_call = fewest, expected, last_call
        self._lock = threading.Lock()
        self._log: TCPStore | None = None
        self._rounds: TCPStore | None = None
        self._ticket: int | None = None
        self._withdrawn = False
        # Worker 0's memory.
        self._read = 0
        self._round = 0
        self._members: set[int] = set()
        self._waiting: dict[int, int] = {}
        self._deadline: float | None = None
        self._newest_join = 0.0

    @classmethod
    def of(cls, config: LaunchConfig) -> Self:
        """The rendezvous that torchrun's configuration describes; from now on the agents of this process use it."""
        host, port = parse_rendezvous_endpoint(config.rdzv_endpoint, default_port=-1)
        made = cls(
            int(os.environ[INDEX_VARIABLE]),
            host,
            port,
            fewest=config.min_nodes,
            expected=int(config.rdzv_configs["expected_nodes"]),
            last_call=float(config.rdzv_configs["last_call_timeout"]),
        )
        rendezvous_handler_registry.register(ELASTIC_RENDEZVOUS, lambda _parameters: made)
        return made

    # What the pod's entry point asks.

    def newcomers_wait(self) -> bool:
        """In worker 0, whether workers have come that are not in the round, and no further one for a while."""
        with self._lock:
            if self._index != 0 or self._log is None:
                return False
            self._read_log()
            return bool(self._waiting) and time.monotonic() - self._newest_join > GATHER_SECONDS

    def leave(self) -> bool:
        """Take no part in further rounds.

        Returns:
            Whether that is so; not when a round that has not ended counts on this worker.
        """
        with self._lock, contextlib.suppress(DistError):  # without worker 0 there are no further rounds
            if self._log is not None:
                if self._ticket is not None and self._claim(self._ticket, LEFT) != LEFT:
                    return False
                if not self._withdrawn:
                    self._append("leave")
        self._withdrawn = True
        return True

    # What torchrun's agent asks.

    def next_rendezvous(self) -> RendezvousInfo:
        """Wait for this worker's place in the next round.

        Raises:
            DistError: worker 0 is gone.
            RendezvousClosedError: this worker has left.
        """
        rounds = self._connect()
        with self._lock:
            if self._withdrawn:
                raise RendezvousClosedError
            self._ticket = self._append("join")
        place = self._form_round() if self._index == 0 else self._wait_for_place()
        store = PrefixStore(f"round-{place.round}", rounds)
        info = RendezvousStoreInfo.build(place.rank, store, self._host)
        return RendezvousInfo(store, place.rank, place.size, info)

    def shutdown(self) -> bool:
        """The agent has ended, and with it the round; there may be another."""
        self._ticket = None
        return True

    def num_nodes_waiting(self) -> int:
        """None, as far as the agent is concerned: it would end its workers without a word to those of the others."""
        return 0

    def get_backend(self) -> str:
        """The name that it is registered by."""
        return ELASTIC_RENDEZVOUS

    def get_run_id(self) -> str:
        """Every group has a store of its own, so that it needs no name."""
        return self._host

    def is_closed(self) -> bool:
        """Whether this worker has left."""
        return self._withdrawn

    def set_closed(self) -> None:
        """Nobody but the operator ends a group."""

    # The store.

    def _connect(self) -> TCPStore:
        """Open the store; gives the client for the rounds."""
        if self._log is None or self._rounds is None:
            first = self._index == 0
            log = TCPStore(self._host, self._port, is_master=first, wait_for_workers=False, timeout=CONNECT)
            # Of its own, since a store's client that waits for a key lets nobody else through.
            self._rounds = TCPStore(self._host, self._port, is_master=False, wait_for_workers=False, timeout=CONNECT)
            self._log = log
        return self._rounds

    @property
    def _store(self) -> TCPStore:
        assert self._log is not None, "connected"
        return self._log

    def _append(self, word: str) -> int:
        number: int = self._store.add("log", 1)
        self._store.set(f"log/{number}", f"{word} {self._index}")
        return number

    def _claim(self, ticket: int, word: str) -> str:
        """Set a ticket that nobody has set; what it says then."""
        said: bytes = self._store.compare_set(f"ticket/{ticket}", "", word)
        return said.decode()

    def _wait_for_place(self) -> Place:
        key = f"ticket/{self._ticket}"
        while True:
            said = self._store.get(key).decode() if self._store.check([key]) else INVITED
            if said == LEFT:
                raise RendezvousClosedError
            if said != INVITED:
                return Place.read(said)
            time.sleep(POLL_SECONDS)

    # Worker 0.

    def _form_round(self) -> Place:
        while True:
            with self._lock:
                self._read_log()
                if self._is_complete():
                    return self._decide()
            time.sleep(POLL_SECONDS)

    def _read_log(self) -> None:
        while self._store.check([f"log/{self._read + 1}"]):
            self._read += 1
            word, index = self._store.get(f"log/{self._read}").decode().split()
            if word == "join":
                self._waiting[int(index)] = self._read
                self._newest_join = time.monotonic()
            else:
                self._waiting.pop(int(index), None)
                self._members.discard(int(index))

    def _is_complete(self) -> bool:
        """Whether all are there that the next round is to have."""
        if len(self._waiting) < self._fewest:
            self._deadline = None
            return False
        if self._round > 0:
            return self._members <= self._waiting.keys()
        self._deadline = self._deadline or time.monotonic() + self._last_call
        return len(self._waiting) >= self._expected or time.monotonic() >= self._deadline

    def _decide(self) -> Place:
        """Give all that wait, and have not left meanwhile, their places; their order is that of their indices."""
        invited = [
            (index, ticket)
            for index, ticket in sorted(self._waiting.items())
            if self._claim(ticket, INVITED) == INVITED
        ]
        if not invited or invited[0][0] != 0:
            raise RendezvousClosedError  # this worker itself has left
        self._round += 1
        for rank, (_, ticket) in enumerate(invited):
            self._store.set(f"ticket/{ticket}", str(Place(self._round, rank, len(invited))))
        self._members = {index for index, _ in invited}
        self._waiting.clear()
        return Place(self._round, 0, len(invited))
