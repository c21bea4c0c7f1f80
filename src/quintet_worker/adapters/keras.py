"""Keras 3 on TensorFlow, JAX or PyTorch: a functional model of keras.layers, trained by a custom loop for each engine.

Rules: the engine is chosen before keras is imported, once per process. What is computed is written here once, in
keras.ops; how an engine differentiates, compiles and repeats it is in keras_engines.py; what Keras itself lacks (given
dropout masks, the optimisers' exact formulas) is in keras_parts.py. bfloat16 is the policy mixed_bfloat16, with
rescaling, normalisation and loss in float32.
"""

import os

import numpy as np

from quintet_worker.adapters.adapter import Adapter, has_unseeing_weights

BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
ROLES = {"kernel": "kernel", "bias": "bias", "scale": "gamma", "offset": "beta", "mean": "moving_mean",
         "variance": "moving_variance"}  # fmt: skip


class Keras(Adapter):
    """One network or pair as Keras models; the engine holds the numbers."""

    precisions = ("float64", "float32", "bfloat16")

    def __init__(self, engine):
        os.environ["KERAS_BACKEND"] = engine
        import keras

        if keras.backend.backend() != engine:
            raise RuntimeError(
                "Keras runs on {} in this process, expected {}; start a new process for each engine".format(
                    keras.backend.backend(), engine
                )
            )
        from quintet_worker.adapters import keras_engines, keras_parts

        self.keras, self.parts = keras, keras_parts
        self.name = "keras-" + engine
        self.engine = keras_engines.ENGINES[engine]()
        self.group = self.engine.group

    def versions(self):
        return dict(self.engine.versions(), keras=self.keras.__version__, numpy=np.__version__)

    def build(self, network, optimiser, precision, threads, device):
        keras = self.keras
        self.engine.configure(precision, threads, device)
        self.network, self.pair = network, network["format"] == "quintet-adversarial"
        self.dtype = "float64" if precision == "float64" else "float32"
        self.policy = "mixed_bfloat16" if precision == "bfloat16" else self.dtype
        keras.config.set_floatx(self.dtype)
        self.parts.allow_float64(self.dtype == "float64")
        self.layers, self.variables, self.trainable, self.moving = {}, {}, {}, {}
        self.training_models, self.models, self.optimisers = {}, {}, {}
        for part in ("generator", "discriminator") if self.pair else ("",):
            self._build_part(part, network[part] if part else network)
            self.optimisers[part] = self.parts.Optimiser(optimiser)
            self.optimisers[part].build(self.trainable[part])
        self.state = list(self.variables.values())
        for optimiser in self.optimisers.values():
            self.state += optimiser.variables
        self.engine.hold(self.state)
        self._compiled_steps = self.engine.repeated(self._pair_step if self.pair else self._net_step)
        self._compiled_gradients = self.engine.compiled(self._pair_gradients if self.pair else self._net_gradients)
        self._compiled_outputs = {part: self.engine.compiled(self._output(part)) for part in self.models}

    def load(self, weights):
        for name, variable in self.variables.items():
            variable.assign(np.array(weights[name], self.dtype))  # a copy: an engine may keep what it is given
        for optimiser in self.optimisers.values():
            for variable in optimiser.variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        self.engine.hold(self.state)

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        rates = np.array(learning_rates, self.dtype)
        return self.engine.numpy(self._compiled_steps(*self._inputs(x, y, extra), rates))

    def gradients(self, batch):
        loss, gradients = self._compiled_gradients(*self._inputs(*batch))
        return self.engine.numpy(loss), {name: self.engine.numpy(value) for name, value in gradients.items()}

    def predict(self, x, part=None):
        return self.engine.numpy(self._compiled_outputs[part or ""](self._host(x)))

    def weights(self):
        return dict(zip(self.variables, self.engine.values(self.state[: len(self.variables)])))

    def wait(self):
        self.engine.wait()

    def save_native(self, path):
        self.engine.write_back()
        if not self.pair:
            self.models[""].save(os.path.join(path, "native.keras"))
            return "native.keras"
        os.makedirs(os.path.join(path, "native"))
        for part, model in self.models.items():
            model.save(os.path.join(path, "native", part + ".keras"))
        return "native"

    # The models

    def _build_part(self, part, network):
        """Make the inference model and the training model, which shares its layers and also takes the masks."""
        keras, prefix = self.keras, part + "." if part else ""
        x, masks = keras.Input(network["input_shape"], dtype=self.dtype, name="x"), []
        output = self._chain(network["layers"], x, None, prefix)
        self.models[part] = keras.Model(x, output, name=part or None)
        dropped = self._chain(network["layers"], x, masks, prefix)
        self.training_models[part] = keras.Model([x] + masks, dropped) if masks else self.models[part]
        if network["loss"]["type"] == "cosine_margin":
            self.head = self.parts.CosineMargin(network["loss"], name="loss", dtype=self.dtype)
            self.head.build(output.shape)
            self.layers[prefix + "loss"] = self.head
        self.trainable[part], self.moving[part] = [], []
        for record in network["parameters"]:
            name = prefix + record["name"]
            layer, role = name.rsplit(".", 1)
            self.variables[name] = getattr(self.layers[layer], ROLES[role])
            (self.trainable if record["trainable"] else self.moving)[part].append(self.variables[name])

    def _chain(self, layers, x, masks, prefix):
        """Return the output tensor; `masks` collects the masks' inputs, None stands for inference."""
        for layer in layers:
            name = prefix + layer["name"]
            if layer["type"] == "residual":
                branches = [self._chain(layer[key], x, masks, prefix) for key in ("layers", "shortcut")]
                x = self._layer(layer, name)(branches)
            elif layer["type"] != "dropout":
                x = self._layer(layer, name)(x)
            elif layer["rate"] and masks is not None:
                masks.append(self.keras.Input(layer["input_shape"], dtype="uint8", name=layer["name"] + "_mask"))
                x = self._layer(layer, name)([x, masks[-1]])
        return x

    def _layer(self, record, name):
        if name not in self.layers:
            exact = record["type"] in ("rescale", "normalise") or (
                record["type"] == "conv" and has_unseeing_weights(record)
            )
            self.layers[name] = self.parts.layer(record, record["name"], self.dtype if exact else self.policy)
        return self.layers[name]

    # What is computed

    def _host(self, array):
        """Return `array` as it goes to the engine: bytes and classes as they are, floats in the weights' type."""
        return array.astype(self.dtype) if array.dtype.kind == "f" else array

    def _inputs(self, x, y, extra):
        return self._host(x), None if y is None else self._host(y), [self._host(array) for array in extra]

    def _apply(self, part, x, masks=()):
        """Return a network's output in training mode."""
        x = self.keras.ops.cast(x, self.dtype)
        output = self.training_models[part]([x] + list(masks) if masks else x, training=True)
        return self.keras.ops.cast(output, self.dtype)

    def _output(self, part):
        ops = self.keras.ops
        return lambda x: ops.cast(self.models[part](ops.cast(x, self.dtype), training=False), self.dtype)

    def _net_loss(self, x, y, masks):
        output, record = self._apply("", x, masks), self.network["loss"]
        return self.head(output, y) if record["type"] == "cosine_margin" else self.parts.loss(record, output, y)

    def _judged(self, x, target):
        output = self._apply("discriminator", x)
        return self.parts.loss(BCE, output, self.keras.ops.full_like(output, target))

    def _discriminator_loss(self, x, z):
        fake = self.keras.ops.stop_gradient(self._apply("generator", z))
        return self._judged(x, 1) + self._judged(fake, 0)

    def _generator_loss(self, x, z):
        fake, weight = self._apply("generator", z), self.network["reconstruction_weight"]
        value = self._judged(fake, 1)
        return value + weight * self.parts.loss({"type": "mean_squared_error"}, fake, x) if weight else value

    def _pass(self, part, function, *inputs):
        """Return (loss, gradients, moved statistics) of one network; no variable changes."""
        return self.engine.differentiate(function, inputs, self.trainable[part], self.moving[part])

    def _update(self, part, rate, function, *inputs):
        loss, gradients, moved = self._pass(part, function, *inputs)
        optimiser = self.optimisers[part]
        optimiser.learning_rate = rate
        self.engine.apply(optimiser, gradients, self.trainable[part])
        for variable, value in zip(self.moving[part], moved):
            variable.assign(value)
        return loss

    def _net_step(self, x, y, masks, rate):
        return self._update("", rate, self._net_loss, x, y, masks)

    def _pair_inputs(self, x, extra):
        return extra if self.network["generator_input"] == "noise" else (x, x[-1])

    def _pair_step(self, x, y, extra, rate):
        noise, generator_noise = self._pair_inputs(x, extra)
        for i in range(self.network["critic_steps"]):
            d_loss = self._update("discriminator", rate, self._discriminator_loss, x[i], noise[i])
        g_loss = self._update("generator", rate, self._generator_loss, x[-1], generator_noise)
        return self.keras.ops.stack([g_loss, d_loss])

    def _named(self, part, gradients):
        names = {id(variable): name for name, variable in self.variables.items()}
        return {names[id(variable)]: g for variable, g in zip(self.trainable[part], gradients)}

    def _net_gradients(self, x, y, masks):
        loss, gradients, _ = self._pass("", self._net_loss, x, y, masks)
        return loss, self._named("", gradients)

    def _pair_gradients(self, x, y, extra):
        noise, generator_noise = self._pair_inputs(x, extra)
        d_loss, d_gradients, _ = self._pass("discriminator", self._discriminator_loss, x[0], noise[0])
        g_loss, g_gradients, _ = self._pass("generator", self._generator_loss, x[-1], generator_noise)
        named = dict(self._named("discriminator", d_gradients), **self._named("generator", g_gradients))
        return self.keras.ops.stack([g_loss, d_loss]), named


ADAPTER = Keras
