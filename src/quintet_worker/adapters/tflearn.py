"""TFLearn on TensorFlow 1.15: its layers in a static graph, run by a session; the formulas are the TensorFlow adapter's.

Rules
* TFLearn makes every variable as float32; a custom getter, TensorFlow's own means, gives them the type that is asked for.
* Its layers want variables of the old kind, which change in place: an update waits until every gradient is worked out.
* Its dropout and batch normalisation draw and move by themselves, so those two are the TensorFlow adapter's.
"""

import os
import warnings

import numpy as np

from quintet_worker.adapters.tensorflow import TensorFlow

ROLES = {"kernel": "W", "bias": "b"}  # what TFLearn's layers call them
ACTIVATIONS = ("relu", "tanh", "sigmoid", "softplus", "softsign")


class TFLearn(TensorFlow):
    """One session; each kind of call is one fetch of a graph that is built at its first call."""

    name = "tflearn"
    group = 1
    precisions = ("float64", "float32")

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy types that it names as numpy 1.17 did not like any more
            import tensorflow as tf

            tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
            import tflearn

        self.tf, self.tflearn, self.session = tf, tflearn, None

    def versions(self):
        return {"tflearn": "0.5.0", "tensorflow": self.tf.__version__, "numpy": np.__version__}

    def build(self, network, optimiser, precision, threads, device):
        tf = self.tf
        if device != "cpu":
            raise RuntimeError("received device {}, expected cpu: TensorFlow 1.15 needs a retired CUDA".format(device))
        self.network, self.optimiser = network, optimiser
        self.dtype = self.compute = tf.float64 if precision == "float64" else tf.float32
        self.pair = network["format"] == "quintet-adversarial"
        parts = ("generator", "discriminator") if self.pair else ("",)
        self.updates = ["discriminator"] * network["critic_steps"] + ["generator"] if self.pair else [""]
        self.variables, self.trainable, self.slots, self.built = {}, {part: [] for part in parts}, {}, {}
        self.graph = tf.Graph()
        with self.graph.as_default():
            for part in parts:
                for record in (network[part] if part else network)["parameters"]:
                    name = part + "." + record["name"] if part else record["name"]
                    self.variables[name] = self._variable(name, record["shape"])
                    if record["trainable"]:
                        self.trainable[part].append(name)
                        count = 1 if optimiser["type"] == "sgd" else 2
                        slots = [self._variable("{}.slot{}".format(name, i), record["shape"]) for i in range(count)]
                        self.slots[name] = slots
            every = list(self.variables.values())
            self.given = [tf.compat.v1.placeholder(self.dtype, variable.shape) for variable in every]
            self.assigned = tf.group(*[variable.assign(value) for variable, value in zip(every, self.given)])
            forgotten = [slot.assign(tf.zeros_like(slot)) for slots in self.slots.values() for slot in slots]
            self.forgotten, self.saver = tf.group(*forgotten), tf.compat.v1.train.Saver(every)
        if self.session:
            self.session.close()
        options = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
        self.session = tf.compat.v1.Session(graph=self.graph, config=options)

    def load(self, weights):
        values = [np.asarray(weights[name], self.dtype.as_numpy_dtype) for name in self.variables]
        self.session.run(self.assigned, dict(zip(self.given, values)))
        self.session.run(self.forgotten)
        self.counts = dict.fromkeys(self.trainable, 0)

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        step = self._run_pair_step if self.pair else self._run_net_step
        losses = []
        for i, rate in enumerate(learning_rates):
            batch = self._inputs(x[i], None if y is None else y[i], [array[i] for array in extra])
            losses.append(step(batch, self._schedule([rate])[0]))
        return np.array(losses, np.float64)

    def gradients(self, batch):
        x, y, extra = self._inputs(*batch)
        if not self.pair:
            return self._call("gradients", "", [x, y] + extra)
        noise, generator_noise = self._pair_inputs(x, extra)
        d_loss, found = self._call("gradients", "discriminator", [x[0], noise[0]])
        g_loss, g_found = self._call("gradients", "generator", [x[-1], generator_noise])
        return np.array([g_loss, d_loss]), dict(found, **g_found)

    def predict(self, x, part=None):
        return self._call("predict", part or "", [self._host(x)])

    def weights(self):
        return self.session.run(self.variables)

    def wait(self):
        """Nothing is queued: a session has finished when run() returns."""

    def save_native(self, path):
        """Write a checkpoint, as TFLearn's own DNN.save does."""
        folder = os.path.join(path, "native")
        os.mkdir(folder)
        self.saver.save(self.session, os.path.join(folder, "model.tfl"))
        return "native"

    # Into the graph

    def _variable(self, name, shape):
        """Make a variable under the name by which TFLearn's layer will ask for it."""
        tf = self.tf
        owner, role = name.rsplit(".", 1)
        initial = tf.compat.v1.zeros_initializer(self.dtype)
        name = owner + "/" + ROLES.get(role, role)
        return tf.compat.v1.get_variable(name, shape, self.dtype, initial, use_resource=False)

    def _typed(self, getter, name, *args, **settings):
        return getter(name, *args, **dict(settings, dtype=self.dtype))

    def _call(self, kind, part, arrays, schedule=None):
        """Run the graph of this kind, part and shape of input, built at its first call."""
        tf = self.tf
        key = (kind, part) + tuple((array.dtype.str, array.shape) for array in arrays)
        if key not in self.built:
            reuse = tf.compat.v1.AUTO_REUSE
            with self.graph.as_default(), tf.compat.v1.variable_scope("", reuse=reuse, custom_getter=self._typed):
                inputs = [tf.compat.v1.placeholder(array.dtype, array.shape) for array in arrays]
                rates = tf.compat.v1.placeholder(self.dtype, (3,))
                self.built[key] = (inputs, rates, getattr(self, "_build_" + kind)(part, inputs, rates))
        inputs, rates, fetched = self.built[key]
        feed = dict(zip(inputs, arrays))
        if schedule is not None:
            feed[rates] = schedule
        return self.session.run(fetched, feed)

    def _build_predict(self, part, inputs, rates):
        return self._output(inputs[0], part)

    def _build_gradients(self, part, inputs, rates):
        return self._passed(part, inputs)[:2]

    def _build_step(self, part, inputs, rates):
        value, gradients, moved = self._passed(part, inputs)
        return value, self._apply(gradients, moved, rates, value)

    def _passed(self, part, inputs):
        if not part:
            return self._net_pass(inputs[0], inputs[1], inputs[2:])
        return (self._discriminator_pass if part == "discriminator" else self._generator_pass)(*inputs)

    def _run_net_step(self, batch, schedule):
        x, y, masks = batch
        return self._call("step", "", [x, y] + masks, schedule[0])[0]

    def _run_pair_step(self, batch, schedule):
        x, _, extra = batch
        noise, generator_noise = self._pair_inputs(x, extra)
        d_loss = None
        for i in range(len(x)):
            d_loss = self._call("step", "discriminator", [x[i], noise[i]], schedule[i])[0]
        return self._call("step", "generator", [x[-1], generator_noise], schedule[-1])[0], d_loss

    def _gradients(self, tape, value, part):
        names = self.trainable[part]
        return dict(zip(names, self.tf.gradients(value, [self.variables[name] for name in names])))

    def _apply(self, gradients, moved, schedule, value):
        """Return the operation that moves the variables, by the kernels under TFLearn's own optimisers."""
        tf, raw, r = self.tf, self.tf.raw_ops, self.optimiser
        rate, adam_rate, adam_epsilon = schedule[0], schedule[1], schedule[2]
        decays = {name: r["weight_decay"] if name.endswith(".kernel") else 0.0 for name in gradients}
        if r["type"] != "adamw":
            gradients = {
                name: g + self._constant(decays[name]) * self.variables[name] if decays[name] else g
                for name, g in gradients.items()
            }
        shrunk = {
            name: rate * self._constant(decay) * self.variables[name]
            for name, decay in decays.items()
            if decay and r["type"] == "adamw"
        }
        done = []
        with tf.control_dependencies([value] + list(gradients.values()) + list(moved.values()) + list(shrunk.values())):
            for name, g in gradients.items():
                variable, slots = self.variables[name], self.slots[name]
                before = [variable.assign_sub(shrunk[name]).op] if name in shrunk else []
                with tf.control_dependencies(before):
                    if r["type"] == "sgd":
                        moving = raw.ApplyMomentum(
                            var=variable._ref(), accum=slots[0]._ref(), lr=rate, grad=g,
                            momentum=self._constant(r["momentum"]), use_nesterov=r["nesterov"],
                        )  # fmt: skip
                    else:
                        zero = self._constant(0.0)  # the powers of the betas are in the schedule already
                        moving = raw.ApplyAdam(
                            var=variable._ref(), m=slots[0]._ref(), v=slots[1]._ref(), beta1_power=zero, beta2_power=zero,
                            lr=adam_rate, beta1=self._constant(r["beta1"]), beta2=self._constant(r["beta2"]),
                            epsilon=adam_epsilon, grad=g,
                        )  # fmt: skip
                done.append(moving.op)
            for name, moved_to in moved.items():
                done.append(self.variables[name].assign(moved_to).op)
        return tf.group(*done)

    # Layers

    def _shared(self, layer, run):
        return {"reuse": self.tf.compat.v1.AUTO_REUSE, "scope": run.prefix + layer["name"]}

    def _output(self, x, part):
        network = self.network[part] if part else self.network
        return self._forward(network["layers"], x, self._run(part, training=False))

    def _conv(self, layer, x, run):
        settings = dict(self._shared(layer, run), padding=layer["padding"], bias=layer["bias"])
        return self.tflearn.conv_2d(x, layer["filters"], layer["kernel"], layer["stride"], **settings)

    def _dense(self, layer, x, run):
        return self.tflearn.fully_connected(x, layer["units"], bias=layer["bias"], **self._shared(layer, run))

    def _activation(self, layer, x, run):
        kind = layer["kind"]
        if kind == "silu":
            return x * self.tf.sigmoid(x)
        if kind in ACTIVATIONS:
            return self.tflearn.activation(x, kind)
        return super(TFLearn, self)._activation(layer, x, run)

    def _max_pool(self, layer, x, run):
        return self.tflearn.max_pool_2d(x, layer["size"], layer["stride"], "valid")

    def _average_pool(self, layer, x, run):
        return self.tflearn.avg_pool_2d(x, layer["size"], layer["stride"], "valid")

    def _global_average_pool(self, layer, x, run):
        return self.tflearn.global_avg_pool(x)

    def _flatten(self, layer, x, run):
        return self.tflearn.flatten(x)


ADAPTER = TFLearn
