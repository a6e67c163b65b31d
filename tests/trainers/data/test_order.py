"""The order of samples: the same for any number of processes, and each sample once an epoch."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from trainwright_trainers.data.order import Position, epoch_batches, epoch_order, global_batch, steps_left


@given(st.integers(0, 2**31), st.integers(0, 5), st.integers(1, 200), st.integers(1, 50))
def test_an_epoch_has_every_sample_once(seed: int, epoch: int, total: int, size: int) -> None:
    batches = list(epoch_batches(seed, Position(epoch), total, size))
    assert sorted(np.concatenate(batches)) == list(range(total))
    assert all(len(batch) == size for batch in batches[:-1])
    assert steps_left(Position(epoch), epoch + 1, size, total) == len(batches)


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9))
def test_the_processes_parts_are_the_whole_batch(size: int, processes: int, parts: int) -> None:
    indices = np.arange(100, 100 + size)
    shares = [global_batch(indices, rank, processes, parts) for rank in range(processes)]
    used = [
        sample
        for batch in shares
        for part, weight in zip(batch.parts, batch.weights, strict=True)
        for sample in part
        if weight > 0
    ]
    assert sorted(used) == list(indices)
    assert all(batch.parts and all(len(part) for part in batch.parts) for batch in shares)
    assert abs(sum(sum(batch.weights) for batch in shares) - 1) < 1e-9


@given(st.integers(0, 99), st.integers(1, 30), st.integers(1, 30))
def test_going_on_with_another_batch_size_misses_nothing(samples: int, before: int, after: int) -> None:
    position = Position()
    for batch in epoch_batches(7, Position(), 100, before):
        if position.samples >= samples:
            break
        position = position.after(len(batch), 100)
    if position.epoch == 0:
        rest = np.concatenate(list(epoch_batches(7, position, 100, after)))
        np.testing.assert_array_equal(rest, epoch_order(7, 0, 100)[position.samples :])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [epoch_order(seed, epoch, 50).tolist() for seed in range(3) for epoch in range(3)]
    assert len({tuple(order) for order in orders}) == 9
    assert orders[4] == epoch_order(1, 1, 50).tolist()


def test_nothing_is_left_after_the_last_epoch() -> None:
    assert steps_left(Position(3), 3, 10, 100) == 0
    assert steps_left(Position(2, 95), 3, 10, 100) == 1
    assert Position(2, 90).after(10, 100) == Position(3)
