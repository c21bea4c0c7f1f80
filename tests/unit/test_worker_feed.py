"""What each step is given: the same for every library, whatever the pieces, in a thread or not."""

import threading

import numpy as np
import pytest

from quintet.layers import Conv, Dense, Dropout, Flatten, Residual
from quintet.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.network_json import resolved
from quintet_worker import feed as feed_module
from quintet_worker.feed import Feed, dropout_layers, keep_mask

LAYERS = (
    Dropout(rate=0.25),
    Residual(layers=(Conv(filters=1), Dropout(rate=0.0), Dropout(rate=0.5))),
    Flatten(),
    Dense(units=2),
)
NET = resolved(Net(name="n", input_shape=(4, 4, 1), layers=LAYERS, loss=SoftmaxCrossEntropy()))
X = np.arange(10 * 16, dtype=np.uint8).reshape(10, 4, 4, 1)
Y = np.arange(10, dtype=np.int64)
ORDER = np.random.default_rng(0).integers(0, 10, (9, 3)).astype(np.int32)
PIECES = [(0, 4), (4, 4), (8, 1)]


def make(seed: int = 3, augmentation: dict | None = None) -> Feed:
    return Feed(NET, X, Y, ORDER, seed, augmentation)


def same(one, other) -> bool:
    flat = [(one[0], other[0]), (one[1], other[1]), *zip(one[2], other[2], strict=True)]
    return all(a.dtype == b.dtype and a.shape == b.shape and (a == b).all() for a, b in flat)


def test_a_step_is_the_same_alone_and_in_a_group():
    whole: tuple = make().batches(0, 9)
    for step in range(9):
        alone = make().batches(step, 1)
        assert same(
            alone, (whole[0][step : step + 1], whole[1][step : step + 1], [m[step : step + 1] for m in whole[2]])
        )


def test_pixels_and_labels_are_those_of_the_order():
    x, y, masks = make().batches(2, 3)
    assert (x == X[ORDER[2:5]]).all()
    assert (y == ORDER[2:5]).all()
    assert [m.shape for m in masks] == [(3, 3, 4, 4, 1)] * 2  # a dropout of rate 0 has no mask


def test_two_dropout_layers_of_one_rate_drop_different_units():
    layers = (Dropout(rate=0.5), Dropout(rate=0.5), Flatten(), Dense(units=2))
    net = resolved(Net(name="n", input_shape=(4, 4, 1), layers=layers, loss=SoftmaxCrossEntropy()))
    masks = Feed(net, X, Y, ORDER, 3, None).batches(0, 2)[2]
    assert (masks[0] != masks[1]).any()


def test_masks_come_from_the_seed_and_differ_between_steps():
    masks = make().batches(0, 2)[2]
    assert all((a == b).all() for a, b in zip(masks, make().batches(0, 2)[2], strict=True))
    assert (masks[0] != make(seed=4).batches(0, 2)[2][0]).any()
    assert (masks[0][0] != masks[0][1]).any()


def test_dropout_layers_are_those_with_a_rate_depth_first():
    assert [layer["name"] for layer in dropout_layers(NET["layers"])] == ["dropout1", "dropout3"]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.75])
def test_a_mask_keeps_its_share(rate):
    mask = keep_mask(np.random.RandomState(1), rate, (1000, 200))
    assert mask.dtype == np.uint8
    assert set(np.unique(mask)) == {0, 1}
    assert mask.mean() == pytest.approx(1 - rate, abs=5 * np.sqrt(rate * (1 - rate) / mask.size))


def test_noise_is_standard_normal_and_the_same_for_each_run():
    generator = Net(name="g", input_shape=(5,), layers=(Dense(units=16),), loss=MeanSquaredError())
    discriminator = Net(name="d", input_shape=(16,), layers=(Dense(units=1),), loss=BinaryCrossEntropy())
    pair = resolved(Adversarial(name="p", generator=generator, discriminator=discriminator, critic_steps=3))
    supply = Feed(pair, X.reshape(10, 16), None, ORDER, 1, None)
    x, y, (critic, last) = supply.batches(0, 9)
    assert x.shape == (9, 3, 1, 16)
    assert y is None
    assert critic.shape == (9, 3, 1, 5)
    assert last.shape == (9, 1, 5)
    assert (critic[4:6] == Feed(pair, X.reshape(10, 16), None, ORDER, 1, None).batches(4, 2)[2][0]).all()


def wave(x, settings, rng):
    return x + rng.randint(0, settings["top"], x.shape).astype(x.dtype)


@pytest.mark.parametrize("augmentation", [None, {"top": 9}])
def test_ahead_gives_what_batches_gives(monkeypatch, augmentation):
    monkeypatch.setattr(feed_module, "augment", wave)
    found = list(make(augmentation=augmentation).ahead(PIECES))
    assert len(found) == len(PIECES)
    for piece, batch in zip(PIECES, found, strict=True):
        assert same(batch, make(augmentation=augmentation).batches(*piece))


def test_augmentation_moves_the_pixels_and_not_the_masks(monkeypatch):
    monkeypatch.setattr(feed_module, "augment", wave)
    plain, moved = make().batches(0, 2), make(augmentation={"top": 9}).batches(0, 2)
    assert (plain[0] != moved[0]).any()
    assert all((a == b).all() for a, b in zip(plain[2], moved[2], strict=True))


def test_a_crash_in_the_thread_is_raised_by_the_consumer(monkeypatch):
    def crash(x, settings, rng):
        raise ValueError("no such transform")

    monkeypatch.setattr(feed_module, "augment", crash)
    with pytest.raises(ValueError, match="no such transform"):
        list(make(augmentation={"top": 1}).ahead(PIECES))


def test_a_consumer_that_leaves_early_leaves_no_thread(monkeypatch):
    monkeypatch.setattr(feed_module, "augment", wave)
    before = threading.active_count()
    supply = make(augmentation={"top": 9}).ahead([(step, 1) for step in range(9)])
    next(supply)
    supply.close()
    assert threading.active_count() == before


def test_the_last_share_of_the_steps_is_augmented_by_its_own_settings():
    settings = {"brightness": 60, "at_the_end": {"share": 1 / 3, "flip": 1.0}}
    x, _, _ = make(augmentation=settings).batches(0, 9)
    bright, _, _ = make(augmentation={"brightness": 60}).batches(0, 9)
    assert (x[:6] == bright[:6]).all()
    assert (x[6:] == X[ORDER[6:]][:, :, :, ::-1]).all()


def test_the_last_share_begins_at_the_same_step_in_pieces_and_in_a_thread():
    feed = make(augmentation={"brightness": 60, "at_the_end": {"share": 0.5, "flip": 0.5}})
    whole = feed.batches(0, 9)[0]
    assert (np.concatenate([piece[0] for piece in feed.ahead(PIECES)]) == whole).all()
