"""The board's queue: nothing acknowledged is lost, nothing is without bound, and no disk ends the caller."""

import errno
import json
import os
import random

import pytest

from quintet_systems.pets.board.budget import DAY_S, Budget
from quintet_systems.pets.board.queue import Limits, Queue
from quintet_systems.pets.board.records import BLOCK, Stored, encode, padded, scan
from quintet_systems.pets.board.segments import Segments


class Clock:
    """A monotonic and a wall clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = 1.7e9

    def __call__(self) -> float:
        return self.now


SMALL = Limits(max_bytes=64 << 10, segment_bytes=16 << 10, commit_count=10, commit_s=5.0, daily_bytes=64 << 20)


def make(folder, clock: Clock, limits: Limits = SMALL) -> Queue:
    return Queue(folder / "queue", limits, monotonic=clock, wall=lambda: clock.wall)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_empty_queue_has_nothing_to_send(tmp_path, clock):
    assert make(tmp_path, clock).pending() == []


def sequences(queue: Queue, limit: int = 10_000) -> list[int]:
    return [record.sequence for record in queue.pending(limit)]


def test_what_is_committed_is_there_after_opening_again(tmp_path, clock):
    queue = make(tmp_path, clock)
    for i in range(25):
        queue.append({"label": "cat", "i": i})
    assert queue.safe == 0
    assert queue.commit() == 25
    queue.append({"label": "dog"})  # never committed, never closed: lost, and never acknowledged
    again = make(tmp_path, clock)
    found = again.pending(100)
    assert [json.loads(record.content)["i"] for record in found] == list(range(25))
    assert again.append({"label": "dog"}) == 26
    assert again.last is not None
    assert again.last["i"] == 24


def test_a_commit_is_due_by_count_and_by_age(tmp_path, clock):
    queue = make(tmp_path, clock)
    queue.append({"n": 1})
    queue.tick()
    assert queue.safe == 0
    clock.now += 5
    queue.tick()
    assert queue.safe == 1
    for n in range(10):
        queue.append({"n": n})
    queue.tick()
    assert queue.safe == 11


@pytest.mark.parametrize("torn", [1, 30, 4000, 4097, 9000])
def test_a_torn_tail_is_mended_and_its_numbers_are_given_again(tmp_path, clock, torn):
    queue = make(tmp_path, clock)
    queue.append({"kept": True})
    queue.commit()
    offset = queue._segments.offset
    for i in range(100):
        queue.append({"i": i, "fill": "x" * 50})
    queue.commit()
    path = queue._segments.path(1)
    whole = bytearray(path.read_bytes())
    end = queue._segments.offset
    whole[offset : min(offset + torn, end)] = bytes(min(torn, end - offset))  # the first blocks never reached the disk
    path.write_bytes(whole)
    again = make(tmp_path, clock)
    if torn <= 4097:  # later records are whole and stay
        assert sequences(again)[0] == 1
    else:
        assert 1 in sequences(again)
    following = again.append({"after": True})
    assert following == again.safe + 1
    again.commit()
    last = make(tmp_path, clock)
    found = sequences(last)
    assert found == sorted(set(found))
    assert found[-1] == following


class PowerCut(Exception):
    """The board has no power any more."""


def test_a_power_cut_that_writes_any_blocks_in_any_order_loses_nothing_acknowledged(tmp_path, monkeypatch):
    """Of what was written and not flushed, each block of 4 KiB reaches the disk or does not, at random."""
    rng = random.Random(5)
    honest_write, honest_sync = os.pwrite, os.fdatasync
    unsynced: list[tuple[int, bytes]] = []
    left = 0

    def write(handle: int, content: bytes, offset: int) -> int:
        unsynced.append((offset, bytes(content)))
        return len(content)

    def sync(handle: int) -> None:
        nonlocal left
        left -= 1
        for offset, content in unsynced:
            for start in range(0, len(content), BLOCK):
                if left > 0 or rng.random() < 0.5:
                    honest_write(handle, content[start : start + BLOCK], offset + start)
        unsynced.clear()
        honest_sync(handle)
        if left <= 0:
            raise PowerCut

    monkeypatch.setattr(os, "pwrite", write)
    monkeypatch.setattr(os, "fdatasync", sync)
    limits = Limits(max_bytes=64 << 20, segment_bytes=64 << 10, daily_bytes=1 << 40)
    promised: dict[int, str] = {}
    commits = taken = 0

    def flood(queue: Queue) -> None:
        nonlocal commits, taken
        while True:
            made = {}
            for _ in range(rng.randrange(1, 60)):
                fill = "x" * rng.randrange(400)
                made[queue.append({"fill": fill})] = fill
            assert queue.commit(force=True) == max(made)
            commits += 1
            promised.update(made)
            if rng.random() < 0.3:
                taken = max(taken, rng.randrange(queue.sent, queue.safe + 1))  # the receiver has these
                queue.acknowledge(taken)

    for cut in range(120):
        queue = Queue(tmp_path, limits)
        found = {record.sequence: json.loads(record.content)["fill"] for record in queue.pending(10**6)}
        wanted = {number: fill for number, fill in promised.items() if number > taken}
        assert {number: found.get(number) for number in wanted} == wanted, f"cut {cut}"
        assert queue.state().dropped == 0
        promised = found  # what was found is held from now on, acknowledged before or not
        left = rng.randrange(1, 6)
        with pytest.raises(PowerCut):
            flood(queue)
    assert commits > 120


def test_a_torn_commit_leaves_no_ghosts(tmp_path, clock):
    """The disk wrote a commit's later blocks, not its first, and a record happens to begin on a block."""
    segments = Segments(tmp_path, 16 << 10)
    segments.begin(1)
    segments.write(encode(Stored(sequence=1, content=b'{"a":1}')))
    ghost = encode(Stored(sequence=9, content=b'{"ghost":1}'))
    with segments.path(1).open("r+b") as file:
        file.seek(3 * BLOCK)
        file.write(encode(Stored(sequence=8, content=b"{}"))[:10] + b"torn")
    # a ghost in the block after: valid, but what came before it in its commit is not there
    with segments.path(1).open("r+b") as file:
        file.seek(2 * BLOCK)
        file.write(ghost)
    found = Segments(tmp_path, 16 << 10).resume()
    assert [record.sequence for record in found.records] == [1, 9]  # whole and newer: a result, kept
    segments = Segments(tmp_path, 16 << 10)
    segments.resume()
    segments.write(encode(Stored(sequence=10, content=b"{}")))
    assert [record.sequence for record in segments.read(1).records] == [1, 9, 10]


def test_a_rotten_record_costs_itself_alone(tmp_path, clock):
    queue = make(tmp_path, clock)
    for i in range(20):
        queue.append({"i": i})
    queue.commit()
    path = queue._segments.path(1)
    content = bytearray(path.read_bytes())
    content[content.index(b'"i":7')] ^= 1
    path.write_bytes(content)
    again = make(tmp_path, clock)
    assert sequences(again) == [n for n in range(1, 21) if n != 8]
    assert again.state().damaged == 1


def test_any_byte_may_rot_anywhere():
    rng = random.Random(4)
    content = b"".join(encode(Stored(sequence=n, content=b'{"n":%d}' % n)) for n in range(1, 60))
    content = content.ljust(padded(len(content)), b"\0")
    for _ in range(300):
        rotten = bytearray(content)
        rotten[rng.randrange(len(rotten))] ^= 1 << rng.randrange(8)
        found = [record.sequence for record in scan(bytes(rotten), 1).records]
        assert found == sorted(set(found))
        assert len(found) >= 58


def test_the_cursor_moves_only_with_acknowledgement_and_is_written_now_and_then(tmp_path, clock):
    queue = make(tmp_path, clock)
    for i in range(30):
        queue.append({"i": i})
    queue.commit()
    assert sequences(queue, 10) == sequences(queue, 10) == list(range(1, 11))
    queue.acknowledge(10)
    assert sequences(queue, 3) == [11, 12, 13]
    queue.tick()
    assert sequences(make(tmp_path, clock), 2) == [1, 2]  # not noted yet: sent again, never lost
    clock.now += 61
    queue.tick()
    assert sequences(make(tmp_path, clock), 2) == [11, 12]


def test_a_full_queue_drops_the_oldest_and_counts_them(tmp_path, clock):
    queue = make(tmp_path, clock)
    total = 2000
    for i in range(total):
        queue.append({"i": i, "fill": "x" * 40})
        if i % 50 == 49:
            clock.now += 60
            queue.commit()
    state = queue.state()
    found = sequences(queue)
    assert found[-1] == total
    assert found == list(range(found[0], total + 1))
    assert state.dropped == found[0] - 1 > 0
    assert sum(path.stat().st_size for path in (tmp_path / "queue").iterdir()) <= SMALL.max_bytes + 200
    queue.close()
    again = make(tmp_path, clock)
    assert again.state().dropped == state.dropped
    assert sequences(again) == found


def test_a_drained_segment_is_used_again_and_its_old_records_stay_hidden(tmp_path, clock):
    queue = make(tmp_path, clock)
    for i in range(1000):
        queue.append({"i": i, "fill": "x" * 40})
        if i % 20 == 19:
            clock.now += 60
            queue.commit()
            queue.acknowledge(queue.safe)
    assert len(queue._segments.firsts) <= 2
    assert queue.state().dropped == 0
    queue.append({"i": "last"})
    queue.commit()
    assert sequences(queue) == [1001]
    assert make(tmp_path, clock).safe == 1001


def test_the_budget_of_bytes_a_day_is_kept(tmp_path, clock):
    """A flood for an hour: what is written stays within the budget's part of the time, the rest is thinned."""
    limits = Limits(daily_bytes=40 << 20, held=500)
    queue = make(tmp_path, clock, limits)
    for _ in range(3600):
        for _ in range(30):
            queue.append({"label": "cat", "probability": 0.9, "fill": "x" * 80})
        clock.now += 1
        queue.tick()
    state = queue.state()
    hour = 3600 / DAY_S * limits.daily_bytes
    assert 0.8 * hour < state.written_bytes < hour + limits.daily_bytes / 24
    assert state.thinned > 0
    assert state.held <= limits.held


def test_a_bucket_grants_its_rate_and_an_hours_worth():
    budget = Budget(daily_bytes=DAY_S, now=0.0)
    granted = sum(100 for second in range(0, DAY_S, 5) if budget.take(100, now=float(second)))
    assert DAY_S * 0.99 < granted <= DAY_S + DAY_S / 24


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path, clock):
    queue = make(tmp_path, clock)
    queue.append({"i": 0})
    clock.wall -= 400 * DAY_S
    queue.append({"i": 1})
    clock.wall += 10_000 * DAY_S
    clock.now += 5
    queue.append({"i": 2})
    queue.tick()
    found = [json.loads(record.content) for record in queue.pending()]
    assert [record["sequence"] for record in found] == [1, 2, 3]
    assert [record["i"] for record in found] == [0, 1, 2]
    assert found[1]["wall_s"] < found[0]["wall_s"]
    assert found[0]["monotonic_s"] == found[1]["monotonic_s"] < found[2]["monotonic_s"]


def test_a_disk_that_refuses_is_told_and_survived(tmp_path, clock, monkeypatch):
    queue = make(tmp_path, clock)
    queue.append({"i": 0})
    queue.commit()

    def refuse(*arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", refuse)
        queue.append({"i": 1})
        assert queue.commit() == 1
        assert "Input/output error" in queue.state().trouble
    assert queue.commit() == 2
    assert queue.state().trouble == ""
    assert [json.loads(record.content)["i"] for record in make(tmp_path, clock).pending()] == [0, 1]


def test_memory_is_bounded_while_the_disk_refuses(tmp_path, clock, monkeypatch):
    queue = make(tmp_path, clock, Limits(held=50))
    monkeypatch.setattr(os, "fdatasync", lambda handle: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only")))
    for i in range(500):
        queue.append({"i": i})
        queue.tick()
    state = queue.state()
    assert state.held == 50
    assert state.thinned == 450
    assert state.safe == 0


def test_a_folder_that_cannot_be_made_is_told_at_the_first_commit(tmp_path, clock):
    (tmp_path / "queue").write_text("a file is in the way")
    queue = make(tmp_path, clock)
    queue.append({"i": 0})
    assert queue.commit() == 0
    assert queue.state().trouble


def test_too_large_a_result_is_refused_at_once(tmp_path, clock):
    with pytest.raises(ValueError, match="expected at most"):
        make(tmp_path, clock).append({"fill": "x" * 20_000})


def test_segments_must_fit_the_budget(tmp_path, clock):
    with pytest.raises(ValueError, match="smaller segments"):
        make(tmp_path, clock, Limits(daily_bytes=1 << 20))
