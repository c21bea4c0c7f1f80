"""The umpire: numpy, float64 (or float32 as a runtime), forward and backward written out. Not for speed."""

import numpy as np

from quintet_worker.adapters.adapter import Adapter
from quintet_worker.numpy_layers import Run, forward
from quintet_worker.numpy_losses import Optimiser, loss

BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
PARTS = ("discriminator", "generator")


class Reference(Adapter):
    """The formulas themselves, in numpy."""

    name = "reference"

    def versions(self):
        return {"numpy": np.__version__}

    def build(self, network, optimiser, precision, threads, device):
        self.network, self.optimiser, self.dtype = network, optimiser, np.dtype(precision)
        self.pair = network["format"] == "quintet-adversarial"

    def load(self, weights):
        self.parameters = {name: np.array(array, self.dtype) for name, array in weights.items()}
        self.optimisers = {part: Optimiser(self.optimiser) for part in (PARTS if self.pair else ("",))}

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        losses = []
        for i, rate in enumerate(learning_rates):
            batch = (x[i], None if y is None else y[i], [array[i] for array in extra])
            losses.append((self._pair_step if self.pair else self._net_step)(batch, rate))
        return np.array(losses)

    def gradients(self, batch):
        if not self.pair:
            value, run = self._net_pass(batch)
            return value, run.gradients
        x, noise, generator_noise = self._pair_inputs(batch)
        d_loss, d_run = self._discriminator_pass(x[0], noise[0])
        g_loss, g_run = self._generator_pass(x[-1], generator_noise)
        return np.array([g_loss, d_loss]), dict(d_run.gradients, **g_run.gradients)

    def predict(self, x, part=None):
        network = self.network[part] if part else self.network
        run = Run(self.parameters, self.dtype, training=False, prefix=part + "." if part else "")
        return forward(network["layers"], self._cast(x), run)[0]

    def weights(self):
        return {name: array.copy() for name, array in self.parameters.items()}

    def wait(self):
        """Nothing is queued: numpy has finished when it returns."""

    def _cast(self, x):
        return x if x.dtype == np.uint8 else x.astype(self.dtype)

    def _net_pass(self, batch):
        x, y, masks = batch
        run = Run(self.parameters, self.dtype, training=True, masks=masks)
        output, backward = forward(self.network["layers"], self._cast(x), run)
        value, d = loss(self.network["loss"], output, y, run)
        backward(d)
        return value, run

    def _net_step(self, batch, rate):
        value, run = self._net_pass(batch)
        self._apply("", run, rate)
        return value

    def _apply(self, part, run, rate):
        self.optimisers[part].update(self.parameters, run.gradients, rate)
        self.parameters.update(run.statistics)

    def _pair_inputs(self, batch):
        x, _, extra = batch
        x = self._cast(x)
        critic, generator = extra if self.network["generator_input"] == "noise" else (x, x[-1])
        return x, self._cast(critic), self._cast(generator)

    def _run(self, part):
        return Run(self.parameters, self.dtype, training=True, prefix=part + ".")

    def _discriminator_pass(self, x, z):
        """Return BCE(D(x), 1) + BCE(D(G(z)), 0) and a run with the discriminator's gradients and statistics."""
        generator, discriminator = self.network["generator"]["layers"], self.network["discriminator"]["layers"]
        fake, _ = forward(generator, z, self._run("generator"))
        real_run = self._run("discriminator")
        output, backward = forward(discriminator, x, real_run)
        real_loss, d = loss(BCE, output, np.ones(len(x)), real_run)
        backward(d)
        # The running statistics move twice: by the real batch, then by the generated one.
        moved = dict(self.parameters, **real_run.statistics)
        fake_run = Run(moved, self.dtype, training=True, prefix="discriminator.")
        output, backward = forward(discriminator, fake, fake_run)
        fake_loss, d = loss(BCE, output, np.zeros(len(z)), fake_run)
        backward(d)
        fake_run.gradients = {name: g + real_run.gradients[name] for name, g in fake_run.gradients.items()}
        return real_loss + fake_loss, fake_run

    def _generator_pass(self, x, z):
        """Return BCE(D(G(z)), 1) + weight * MSE(G(z), x) and a run with the generator's gradients and statistics."""
        run, judge = self._run("generator"), self._run("discriminator")
        fake, backward = forward(self.network["generator"]["layers"], z, run)
        output, judge_backward = forward(self.network["discriminator"]["layers"], fake, judge)
        value, d = loss(BCE, output, np.ones(len(z)), judge)
        d = judge_backward(d)
        weight = self.network["reconstruction_weight"]
        if weight:
            extra, d_extra = loss({"type": "mean_squared_error"}, fake, x, run)
            value, d = value + weight * extra, d + weight * d_extra
        backward(d)
        return value, run

    def _pair_step(self, batch, rate):
        x, noise, generator_noise = self._pair_inputs(batch)
        d_loss = None
        for one_x, one_z in zip(x, noise):
            d_loss, run = self._discriminator_pass(one_x, one_z)
            self._apply("discriminator", run, rate)
        g_loss, run = self._generator_pass(x[-1], generator_noise)
        self._apply("generator", run, rate)
        return (g_loss, d_loss)


ADAPTER = Reference
