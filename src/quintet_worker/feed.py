"""What each step is given: the samples that the order names, augmented, with the dropout masks or noise that go with them.

All of it is numpy, from the job's seed, so every library sees the same pixels and drops the same units. RandomState
and not Generator: its stream is frozen (NEP 19), so numpy 1.14 under a retired library and numpy 2 draw the same. Its
seeds come from the core's Generator.
"""

import queue
import threading

import numpy as np

from quintet_worker.augment import augment

AUGMENT, DROPOUT, NOISE = 1, 2, 3  # separate streams: a network with dropout sees the same pixels as one without


def dropout_layers(layers):
    """Yield the dropout layers of a resolved network, depth first: the order of a batch's masks."""
    for layer in layers:
        if layer["type"] == "dropout" and layer["rate"]:
            yield layer
        if layer["type"] == "residual":
            for inner in dropout_layers(layer["layers"] + layer["shortcut"]):
                yield inner


def keep_mask(rng, rate, shape):
    """Return a `uint8` mask, 1 with probability `1 - rate` (exact to 2 ** -16)."""
    bits = np.frombuffer(rng.bytes(2 * int(np.prod(shape))), np.uint16).reshape(shape)
    return (bits >= int(round(rate * 65536))).astype(np.uint8)


class Feed(object):
    """Makes batches for any run of steps."""

    def __init__(self, network, x, y, order, seed, augmentation):
        self.network, self.x, self.y, self.order, self.seed = network, x, y, order, seed
        self.augmentation, self.last = augmentation, None
        if augmentation and augmentation.get("at_the_end"):
            self.last = augmentation["at_the_end"]
            self.last_from = int(round((1 - self.last["share"]) * len(order)))
        self.pair = network["format"] == "quintet-adversarial"
        self.dropouts = [] if self.pair else list(dropout_layers(network["layers"]))

    def batches(self, first, count):
        """Return (x, y, extra) of steps `first` to `first + count`, each array with a leading axis of `count`."""
        index = self.order[first : first + count]
        x = self.x[index]
        if self.augmentation:
            x = np.stack([self._augmented(x[i], first + i) for i in range(count)])
        if self.pair:
            critic = self.network["critic_steps"]
            x = x.reshape((count, critic, -1) + x.shape[2:])
            return x, None, self._noise(first, count, x.shape[1:3])
        y = self.y[index]
        masks = []
        for number, layer in enumerate(self.dropouts):
            shape = (index.shape[1],) + tuple(layer["input_shape"])
            rngs = [self._rng(DROPOUT + 16 * number, first + i) for i in range(count)]
            masks.append(np.stack([keep_mask(rng, layer["rate"], shape) for rng in rngs]))
        return x, y, masks

    def _augmented(self, x, step):
        """Change a batch; in the last share of the steps by the settings under "at_the_end", nearer to what comes later."""
        late = self.last is not None and step >= self.last_from
        return augment(x, self.last if late else self.augmentation, self._rng(AUGMENT, step))

    def _noise(self, first, count, shape):
        if self.network["generator_input"] != "noise":
            return []
        features = tuple(self.network["generator"]["input_shape"])
        both = ([], [])
        for i in range(count):
            rng = self._rng(NOISE, first + i)
            both[0].append(rng.standard_normal(shape + features))
            both[1].append(rng.standard_normal(shape[1:] + features))
        return [np.stack(both[0]), np.stack(both[1])]

    def _rng(self, stream, step):
        return np.random.RandomState([self.seed, stream, step])

    def ahead(self, pieces):
        """Yield batches(first, count) for each of `pieces`; augmented ones are made in a thread, two pieces ahead."""
        if not self.augmentation:
            for first, count in pieces:
                yield self.batches(first, count)
            return
        ready = queue.Queue(maxsize=2)
        stop = threading.Event()

        def make():
            try:
                for first, count in pieces:
                    ready.put(self.batches(first, count))
                    if stop.is_set():
                        return
            except Exception as error:  # the consumer raises it, in its own thread
                ready.put(error)

        thread = threading.Thread(target=make)
        thread.daemon = True
        thread.start()
        try:
            for _ in pieces:
                item = ready.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stop.set()
            while thread.is_alive():  # empty the queue so that a waiting put() ends
                try:
                    ready.get(timeout=0.05)
                except queue.Empty:
                    pass
