"""Convolution and max pooling for JAX on the CPU, where XLA's own gradients of windows are slow.

Times are of one core of an AMD EPYC (Zen 4), jaxlib 0.10.2, float32. See also https://github.com/openxla/xla/issues/34273
and https://github.com/jax-ml/jax/issues/12868 (inside a loop a convolution is slower still).
"""

import numpy as np

SLICE = 32  # images
FEW = 32  # numbers in a window


def slices(x, size, stride):
    """Yield, for each place in a window, the values `(batch, rows, columns, channels)` that all windows have there."""
    down, across = ((n - k) // s * s + 1 for n, k, s in zip(x.shape[1:3], size, stride))
    for i in range(size[0]):
        for j in range(size[1]):
            yield x[:, i : i + down : stride[0], j : j + across : stride[1]]


def convolution(jax, stride, pads, on_cpu):
    """Return the convolution as a function of (x, kernel), on the CPU in a form that suits it.

    Where a window holds few numbers (the first layer on images) it is a sum of products, which XLA makes one loop of:
    1 ms instead of 11 (256 images, 28x28, 1 to 8 channels). The kernel's gradient is taken over slices of the batch:
    the one JAX derives has the batch as channels and the whole image as window, XLA transposes both arrays for it, and
    on slices that stay in the cache the same work takes 64 ms instead of 100 (128 images, 28x28, 32 to 64 channels).
    """

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, stride, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def kernel_gradient(x, kernel, dy):
        return jax.vjp(lambda k: convolve(x, k), kernel)[1](dy)[0]

    def backward(kept, dy):
        x, kernel = kept
        cuts = range(0, len(x), SLICE)
        parts = [kernel_gradient(x[first : first + SLICE], kernel, dy[first : first + SLICE]) for first in cuts]
        return jax.vjp(lambda a: convolve(a, kernel), x)[1](dy)[0], sum(parts[1:], parts[0])

    def forward(x, kernel):
        height, width, channels, _ = kernel.shape
        if height * width * channels > FEW:
            return convolve(x, kernel)
        padded = jax.numpy.pad(x, ((0, 0), pads[0], pads[1], (0, 0)))
        places = zip(slices(padded, (height, width), stride), kernel.reshape(-1, channels, kernel.shape[-1]))
        return sum(values[..., c : c + 1] * row[c] for values, row in places for c in range(channels))

    if not on_cpu:
        return convolve
    function = jax.custom_vjp(forward)
    function.defvjp(lambda x, kernel: (forward(x, kernel), (x, kernel)), backward)
    return function


def max_pool(jax, size, stride, shape):
    """Return a max pool with a gradient of its own.

    The one JAX derives is XLA's select-and-scatter, a single-threaded loop on the CPU: 130 ms where this takes 15
    (128 images of 28x28x64), more than the convolutions around it together.
    """
    jnp, lax = jax.numpy, jax.lax

    def forward(x):
        best, place = None, None
        for k, values in enumerate(slices(x, size, stride)):
            if best is None:
                best, place = values, jnp.zeros(values.shape, np.uint8)
            else:
                place = jnp.where(values > best, np.uint8(k), place)  # of equals the first, as in every library here
                best = jnp.maximum(values, best)
        return best, place

    def backward(place, dy):
        none, total = jnp.zeros((), dy.dtype), 0
        rows, columns = dy.shape[1:3]
        for k in range(size[0] * size[1]):
            i, j = divmod(k, size[1])
            below, right = (shape[1] - i - (rows - 1) * stride[0] - 1, shape[2] - j - (columns - 1) * stride[1] - 1)
            spread = ((0, 0, 0), (i, below, stride[0] - 1), (j, right, stride[1] - 1), (0, 0, 0))
            total = total + lax.pad(jnp.where(place == k, dy, none), none, spread)
        return (total,)

    function = jax.custom_vjp(lambda x: forward(x)[0])
    function.defvjp(forward, backward)
    return function
