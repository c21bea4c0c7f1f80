"""The interface between a job and a library: what each adapter file implements, in this order.

Rules
* The library is imported in __init__ (after the worker has set the thread variables), never at module level.
* Arrays that cross the interface are numpy: x NHWC, kernels HWIO, dense (in, out), in whatever the library likes inside.
* A batch is (x, y, extra): x `(batch, height, width, channels)` or `(batch, features)`, y `(batch,)` int64 classes or
  float targets; extra is a list with one uint8 mask `(batch, *shape)` (1 = keep) per Dropout layer, depth first.
* For an adversarial pair x is `(critic_steps, batch, features)`, y is None and extra is [critic noise `(critic_steps,
  batch, features)`, generator noise `(batch, features)`], or [] where the generator reads the data.
* step() and steps() may use the precision's own types but take the learning rate as a Python float, unrounded.
"""


class Adapter(object):
    """One library. Subclasses implement every method but supports(), step() and save_native()."""

    name = ""
    precisions = ("float64", "float32")
    group = 1  # how many steps the library likes in one call of steps()

    def versions(self):
        """Return {"torch": "2.13.0", ...}: the library and what it stands on."""
        raise NotImplementedError

    @classmethod
    def supports(cls, network, precision):
        """Return None when the library can run this network at this precision, else the reason; asked without the library."""
        if precision not in cls.precisions:
            return "{} has no {}".format(cls.name, precision)
        return None

    def build(self, network, optimiser, precision, threads, device):
        """Make the model; `network` is the resolved form of a job, `optimiser` its record."""
        raise NotImplementedError

    def load(self, weights):
        """Set all parameters and forget the optimiser's state; compiled code stays."""
        raise NotImplementedError

    def step(self, batch, learning_rate):
        """Take one optimiser step; return the loss before it."""
        x, y, extra = batch
        stacked = (x[None], None if y is None else y[None], [array[None] for array in extra])
        return float(self.steps(stacked, [learning_rate])[0])

    def steps(self, batches, learning_rates):
        """Take len(learning_rates) steps; each array of `batches` has that leading axis. Return the losses, `(steps,)`.

        For a pair each loss is a row (generator, discriminator).
        """
        raise NotImplementedError

    def gradients(self, batch):
        """Return (loss, {name: gradient}) of one training-mode pass, dropout and BatchNorm's batch statistics included.

        For a pair: the gradients of the discriminator's first update and of a generator update at the same weights.
        """
        raise NotImplementedError

    def predict(self, x, part=None):
        """Return the network's output in inference mode, float64 or float32 numpy; `part` names one network of a pair."""
        raise NotImplementedError

    def weights(self):
        """Return all parameters and running statistics in the canonical layout."""
        raise NotImplementedError

    def wait(self):
        """Finish queued device work."""
        raise NotImplementedError

    def save_native(self, path):
        """Write the model in the library's own format below `path`; return the file's name, or None if there is none."""
        return None


class Pass(object):
    """One forward pass: its mode, the dropout masks still to be used, and the running statistics that it moves.

    For adapters that keep their parameters in a dict by name; what the pass has moved is found before what it started from.
    """

    def __init__(self, parameters, training, masks=(), prefix=""):
        self.parameters, self.training, self.masks, self.prefix = parameters, training, list(masks), prefix
        self.moved = {}

    def get(self, layer, role):
        """Return a layer's parameter, or None where it has none of that role."""
        name = self.prefix + layer["name"] + "." + role
        return self.moved.get(name, self.parameters.get(name))

    def move(self, layer, role, value):
        """Keep a running statistic's new value."""
        self.moved[self.prefix + layer["name"] + "." + role] = value


def has_unseeing_weights(convolution):
    """Tell whether some weights of a convolution's record meet nothing but padding; it is then computed in float32.

    On CPUs, torch 2.13 and TensorFlow 2.21 (both by oneDNN) give garbage as bfloat16's gradient of such weights.
    """
    sides = zip(convolution["input_shape"], convolution["kernel"], convolution["stride"], convolution["pads"])
    return any(sees_only_padding(size, taps, step, before, after) for size, taps, step, (before, after) in sides)


def sees_only_padding(size, taps, step, before, after):
    """Tell whether some tap of a kernel of so many never meets one of `size` pixels, along one axis.

    >>> sees_only_padding(1, 5, 1, 2, 2), sees_only_padding(3, 5, 1, 2, 2), sees_only_padding(25, 3, 2, 1, 1)
    (True, False, False)
    """
    starts = range(-before, size + after - taps + 1, step)
    return any(all(not 0 <= start + tap < size for start in starts) for tap in range(taps))
