"""Lasagne 0.1: its layers where it has them, on the graphs and compiled functions of the Theano adapter.

Rules
* Lasagne's rectify and max pooling share a gradient among equals, its sigmoid is cut short, and it has no BatchNorm, no
  pads of unequal sides and no smoothed labels: there the Theano adapter's own forms serve, as its user would write them.
* lasagne.updates keeps the rate inside the velocity, which differs from the formula where the rate changes: not used.
"""

import functools
import sys
import types

from quintet_worker.adapters.theano import Theano


class Lasagne(Theano):
    """Lasagne on Theano: both share one engine."""

    name = "lasagne"

    def __init__(self):
        super(Lasagne, self).__init__()
        supply_downsample(self.pool_2d)
        import lasagne

        self.lasagne, self.layers = lasagne, lasagne.layers

    def versions(self):
        return dict(super(Lasagne, self).versions(), lasagne=str(self.lasagne.__version__))

    def _incoming(self, layer):
        """Return the shape of a layer's input as Lasagne wants it: (batch, channels, height, width) or (batch, features)."""
        shape = layer["input_shape"]
        return (None, shape[2], shape[0], shape[1]) if len(shape) == 3 else (None, shape[0])

    def _conv(self, layer, x, run):
        (top, bottom), (left, right) = layer["pads"]
        if (top, left) != (bottom, right):
            return super(Lasagne, self)._conv(layer, x, run)
        made = self.layers.Conv2DLayer(
            self._incoming(layer),
            num_filters=layer["filters"],
            filter_size=tuple(layer["kernel"]),
            stride=tuple(layer["stride"]),
            pad=(top, left),
            W=run.get(layer, "kernel"),
            b=run.get(layer, "bias"),
            nonlinearity=None,
            convolution=functools.partial(cross_correlation, self.T.nnet.conv2d),
        )
        return made.get_output_for(x)

    def _dense(self, layer, x, run):
        made = self.layers.DenseLayer(
            self._incoming(layer),
            num_units=layer["units"],
            W=run.get(layer, "kernel"),
            b=run.get(layer, "bias"),
            nonlinearity=None,
        )
        return made.get_output_for(x)

    def _activation(self, layer, x, run):
        if layer["kind"] != "tanh":
            return super(Lasagne, self)._activation(layer, x, run)
        return self.layers.NonlinearityLayer(self._incoming(layer), self.lasagne.nonlinearities.tanh).get_output_for(x)

    def _average_pool(self, layer, x, run):
        made = self.layers.Pool2DLayer(
            self._incoming(layer), tuple(layer["size"]), tuple(layer["stride"]), mode="average_exc_pad"
        )
        return made.get_output_for(x)

    def _global_average_pool(self, layer, x, run):
        return self.layers.GlobalPoolLayer(self._incoming(layer)).get_output_for(x)

    def _mean_squared_error(self, record, output, y):
        return self.lasagne.objectives.squared_error(output, y.reshape(output.shape)).mean()


def supply_downsample(pool_2d):
    """Supply the module that Theano 1.0 took away and Lasagne 0.1 imports: its one function under its old names."""
    module = types.ModuleType("theano.tensor.signal.downsample")

    def max_pool_2d(input, ds, ignore_border=True, st=None, padding=(0, 0), mode="max"):
        return pool_2d(input, ds, ignore_border=ignore_border, stride=st, pad=padding, mode=mode)

    module.__dict__["max_pool_2d"] = max_pool_2d
    sys.modules[module.__name__] = module
    import theano.tensor.signal

    theano.tensor.signal.downsample = module


def cross_correlation(conv2d, x, kernel, subsample, image_shape, filter_shape, border_mode):
    """Return Theano's convolution without its flip; Lasagne 0.1 names its arguments as Theano did in 2015.

    It pads the images itself, so `border_mode` is "valid".
    """
    return conv2d(
        x,
        kernel,
        input_shape=image_shape,
        filter_shape=filter_shape,
        border_mode=border_mode,
        subsample=subsample,
        filter_flip=False,
    )


ADAPTER = Lasagne
