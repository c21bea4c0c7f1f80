"""How each of Keras's engines differentiates, compiles and repeats what keras.py computes.

Rules: this file is imported by keras.py alone, after the engine is chosen; each class imports its own engine. An engine
treats the Keras variables given to hold() as the state; compiled() functions only read it, repeated() ones move it.
"""

import os

import numpy as np
from keras import StatelessScope, ops

from quintet_worker.memory import keep_freed_memory


class TensorFlowEngine(object):
    """tf.function around GradientTape; several steps are one loop inside the graph. XLA is slower on a CPU: not used."""

    group = 10

    def __init__(self):
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of retracing where a process builds several networks
        self.tf = tf

    def versions(self):
        return {"tensorflow": self.tf.__version__}

    def configure(self, precision, threads, device):
        config = self.tf.config
        config.threading.set_intra_op_parallelism_threads(threads)
        config.threading.set_inter_op_parallelism_threads(1)
        if device == "cuda" and not config.list_physical_devices("GPU"):
            raise RuntimeError("TensorFlow sees no GPU here; choose device cpu or install tensorflow[and-cuda]")

    def hold(self, variables):
        self.variables = variables

    def differentiate(self, function, inputs, trainable, moving):
        with self.tf.GradientTape() as tape, StatelessScope() as scope:
            loss = function(*inputs)
            moved = [scope.get_current_value(variable) for variable in moving]
        return loss, tape.gradient(loss, [variable.value for variable in trainable]), moved

    def apply(self, optimiser, gradients, trainable):
        optimiser.apply(gradients, trainable)

    def compiled(self, function):
        return self.tf.function(function)

    def repeated(self, step):
        tf = self.tf

        def steps(x, y, extra, rates):
            def body(i, losses):
                loss = step(x[i], None if y is None else y[i], [array[i] for array in extra], rates[i])
                return i + 1, losses.write(i, loss)

            count = rates.shape[0]
            start = (tf.constant(0), tf.TensorArray(rates.dtype, count))
            return tf.while_loop(lambda i, losses: i < count, body, start, parallel_iterations=1)[1].stack()

        return tf.function(steps)

    def numpy(self, tensor):
        return tensor.numpy()

    def values(self, variables):
        return [np.array(variable.numpy()) for variable in variables]

    def write_back(self):
        """The variables are the state."""

    def wait(self):
        """Read one variable: a device works in order, so what was queued before the read is done."""
        self.variables[0].numpy()


class JaxEngine(object):
    """jax.jit over pure functions of the state, which stays on the device and is donated from step to step."""

    group = 8

    def __init__(self):
        import jax

        self.jax = jax

    def versions(self):
        return {"jax": self.jax.__version__}

    def configure(self, precision, threads, device):
        os.environ["PJRT_NPROC"] = str(threads)  # XLA reads it once, when the first array is made
        self.jax.config.update("jax_enable_x64", precision == "float64")
        if device == "cuda" and self.jax.default_backend() != "gpu":
            raise RuntimeError("JAX sees no GPU here; choose device cpu or install jax[cuda12]")

    def hold(self, variables):
        self.variables, self.state = variables, [variable.value for variable in variables]

    def differentiate(self, function, inputs, trainable, moving):
        current = [(variable, variable.value) for variable in self.variables]

        def loss_and_moved(values):
            with StatelessScope(current + list(zip(trainable, values))) as scope:
                loss = function(*inputs)
                return loss, [scope.get_current_value(variable) for variable in moving]

        values = [variable.value for variable in trainable]
        (loss, moved), gradients = self.jax.value_and_grad(loss_and_moved, has_aux=True)(values)
        return loss, gradients, moved

    def apply(self, optimiser, gradients, trainable):
        optimiser.apply(gradients, trainable)

    def compiled(self, function):
        def pure(state, *inputs):
            with StatelessScope(zip(self.variables, state)):
                return function(*inputs)

        jitted = self.jax.jit(pure)
        return lambda *inputs: jitted(self.state, *inputs)

    def repeated(self, step):
        """Call one compiled step for each; no lax.scan, in which XLA's CPU compiler leaves the fast convolution."""

        def pure(state, *batch):
            with StatelessScope(zip(self.variables, state)) as scope:
                loss = step(*batch)
                return [scope.get_current_value(variable) for variable in self.variables], loss

        jitted = self.jax.jit(pure, donate_argnums=0)

        def steps(x, y, extra, rates):
            losses = []
            for i, rate in enumerate(rates):
                batch = (x[i], None if y is None else y[i], [array[i] for array in extra], rate)
                self.state, loss = jitted(self.state, *batch)
                losses.append(loss)
            return np.array(self.jax.device_get(losses))

        return steps

    def numpy(self, tensor):
        return np.asarray(tensor)

    def values(self, variables):
        return [np.array(value) for value in self.state[: len(variables)]]

    def write_back(self):
        for variable, value in zip(self.variables, self.state):
            variable.assign(np.array(value))
        self.hold(self.variables)

    def wait(self):
        self.jax.block_until_ready(self.state)


class TorchEngine(object):
    """The eager loop of Keras's guide: a pass, its gradients, optimizer.apply."""

    group = 1

    def __init__(self):
        import torch

        self.torch = torch

    def versions(self):
        return {"torch": self.torch.__version__}

    def configure(self, precision, threads, device):
        keep_freed_memory()
        self.torch.set_num_threads(threads)
        if device == "cuda" and not self.torch.cuda.is_available():
            raise RuntimeError("PyTorch sees no GPU here; choose device cpu or install PyTorch for CUDA")

    def hold(self, variables):
        self.variables = variables

    def differentiate(self, function, inputs, trainable, moving):
        with StatelessScope() as scope:
            loss = function(*inputs)
            moved = [scope.get_current_value(variable).detach() for variable in moving]
        return loss.detach(), self.torch.autograd.grad(loss, [variable.value for variable in trainable]), moved

    def apply(self, optimiser, gradients, trainable):
        with self.torch.no_grad():
            optimiser.apply(gradients, trainable)

    def compiled(self, function):
        def call(*inputs):
            with self.torch.set_grad_enabled(function.__name__.endswith("_gradients")):
                return function(*[self._tensors(array) for array in inputs])

        return call

    def repeated(self, step):
        def steps(x, y, extra, rates):
            x, y, extra = self._tensors(x), self._tensors(y), self._tensors(extra)
            losses = [
                step(x[i], None if y is None else y[i], [array[i] for array in extra], rate)
                for i, rate in enumerate(rates)
            ]
            return self.torch.stack(losses)

        return steps

    def _tensors(self, array):
        if array is None or isinstance(array, list):
            return array and [self._tensors(one) for one in array]
        return ops.convert_to_tensor(array)

    def numpy(self, tensor):
        return tensor.cpu().numpy()

    def values(self, variables):
        return [np.array(variable.value.detach().cpu().numpy()) for variable in variables]

    def write_back(self):
        """The variables are the state."""

    def wait(self):
        if self.torch.cuda.is_available():
            self.torch.cuda.synchronize()


ENGINES = {"tensorflow": TensorFlowEngine, "jax": JaxEngine, "torch": TorchEngine}
