"""Random changes of uint8 image batches, in numpy only: geometry, mirror, crop, light and colour, erased squares.

Geometry is one inverse affine map per image with bilinear sampling, vectorised over the batch; pixels outside are zero, or
repeat the border, as a photo with black corners is unlike any that comes later.
Elastic displacement is a coarse grid of normals per image, made smooth by uniform cubic B-splines. The pixel walk is one
gather from a zero-padded copy. A crop is a shift by whole pixels whose border is repeated, which costs far less.
"""

import numpy as np

GEOMETRY = ("shift", "rotation", "scale", "shear", "elastic")
CHUNK = 16  # images that are sampled together: more fall out of the processor's cache
_GRIDS = {}


def _geometry(height, width, knots):
    """Return centred pixel coordinates and the cubic B-spline weights (pixels x knots) of both axes, cached."""
    key = (height, width, knots)
    if key not in _GRIDS:
        rows = np.arange(height, dtype=np.float32) - np.float32((height - 1) / 2.0)
        columns = np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2.0)
        _GRIDS[key] = (rows, columns, _spline(height, knots), _spline(width, knots))
    return _GRIDS[key]


def _spline(size, knots):
    """Return the (size, knots) matrix that spreads knot values over pixels by uniform cubic B-splines."""
    if knots < 4:
        return None
    at = np.linspace(1.0, knots - 2.0, size)[:, None] - np.arange(knots)[None, :]
    away = np.abs(at)
    near = 2.0 / 3.0 - away**2 + away**3 / 2.0
    far = np.clip(2.0 - away, 0.0, None) ** 3 / 6.0
    return np.where(away < 1.0, near, far).astype(np.float32)


def augment(x, settings, rng):
    """Return a changed copy of the images x, uint8 (batch, height, width, channels), drawn from the RandomState rng.

    settings (all optional, 0 = off), applied in this order: those of `distorted`; flip (probability of a mirror image);
    crop (whole pixels, uniform in +-crop, borders repeated); contrast (log-uniform in [1/(1+contrast), 1+contrast], about
    the image's mean); brightness (grey levels, uniform in +-brightness); tint (the same, for each channel apart); erase
    (side in pixels of a square, its centre anywhere, that is set to the image's mean).
    """
    if any(settings.get(name) for name in GEOMETRY):
        x = distorted(x, settings, rng)
    if settings.get("flip"):
        mirrored = rng.random_sample(len(x)) < settings["flip"]
        x = np.array(x)
        x[mirrored] = x[mirrored, :, ::-1]
    if settings.get("crop"):
        x = _cropped(x, int(settings["crop"]), rng)
    if settings.get("contrast") or settings.get("brightness") or settings.get("tint"):
        x = _lit(x, settings, rng)
    if settings.get("erase"):
        x = _erased(x, int(settings["erase"]), rng)
    return np.ascontiguousarray(x)


def _cropped(x, most, rng):
    count, height, width, _ = x.shape
    down, across = rng.randint(0, 2 * most + 1, count), rng.randint(0, 2 * most + 1, count)
    padded = np.pad(x, ((0, 0), (most, most), (most, most), (0, 0)), "edge")
    made = np.empty_like(x)
    for i in range(count):  # one strided copy an image is faster than one gather of all
        made[i] = padded[i, down[i] : down[i] + height, across[i] : across[i] + width]
    return made


def _lit(x, settings, rng):
    count, channels = len(x), x.shape[3]
    gain = np.exp((rng.random_sample(count) * 2 - 1) * np.log1p(settings.get("contrast", 0.0)))
    light = (rng.random_sample(count) * 2 - 1) * settings.get("brightness", 0.0)
    tint = (rng.random_sample((count, channels)) * 2 - 1) * settings.get("tint", 0.0)
    offset = (1 - gain) * (_sums(x).sum(1) / float(x[0].size)) + light
    # Each channel of each image is looked up in a table of its own: 256 sums instead of one a pixel.
    table = gain[:, None, None] * np.arange(256) + (offset[:, None] + tint)[:, :, None]
    table = np.clip(table + 0.5, 0, 255).astype(np.uint8)
    first = 256 * np.arange(count * channels).reshape(count, 1, 1, channels)
    return table.ravel().take(first + x)


def _erased(x, side, rng):
    count, height, width, _ = x.shape
    top = rng.randint(-(side // 2), height - side // 2, count)
    left = rng.randint(-(side // 2), width - side // 2, count)
    mean = (_sums(x) / float(height * width)).astype(np.uint8)
    made = np.array(x)
    for i in range(count):
        made[i, max(top[i], 0) : top[i] + side, max(left[i], 0) : left[i] + side] = mean[i]
    return made


def _sums(x):
    """Return the sum over each channel of each image `(images, channels)`; rows first, which numpy adds side by side."""
    count, height, width, channels = x.shape
    rows = x.reshape(count, height, width * channels).sum(1, dtype=np.uint32)
    return rows.reshape(count, width, channels).sum(1)


def distorted(x, settings, rng):
    """Return the images after one random affine and elastic map each; see augment.

    settings: shift (pixels, uniform in +-shift, subpixel), rotation (degrees), scale
    (log-uniform in [1/(1+scale), 1+scale] per axis; one value for both axes when `aspect` is false), shear
    (fraction), elastic (standard deviation of the displacement in pixels), knots (elastic grid per axis, >= 4), border
    ("zero", the default, or "repeat": what pixels outside are).
    """
    count, height, width, channels = x.shape
    rows, columns, spline_r, spline_c = _geometry(height, width, int(settings.get("knots", 7)))

    def draw(limit):
        return ((rng.random_sample(count) * 2 - 1) * np.float32(limit)).astype(np.float32)

    angle = draw(np.deg2rad(settings.get("rotation", 0.0)))
    shear = draw(settings.get("shear", 0.0))
    grow = np.log1p(settings.get("scale", 0.0))
    scale_r, scale_c = np.exp(-draw(grow)), np.exp(-draw(grow))
    move_r, move_c = draw(settings.get("shift", 0.0)), draw(settings.get("shift", 0.0))
    if not settings.get("aspect", True):
        scale_c = scale_r
    cos, sin = np.cos(angle), np.sin(angle)
    # Inverse map: source = Scale * Shear * Rotation * (target - centre) + centre + move.
    a_rr, a_rc = scale_r * cos, scale_r * sin
    a_cr, a_cc = scale_c * (shear * cos - sin), scale_c * (shear * sin + cos)
    line_r = a_rr[:, None] * rows + (move_r + np.float32((height - 1) / 2.0))[:, None]
    line_c = a_cr[:, None] * rows + (move_c + np.float32((width - 1) / 2.0))[:, None]
    at_r = line_r[:, :, None] + (a_rc[:, None] * columns)[:, None, :]
    at_c = line_c[:, :, None] + (a_cc[:, None] * columns)[:, None, :]
    if settings.get("elastic", 0.0):
        knots = spline_r.shape[1]
        bend = rng.standard_normal((2, count, knots, knots)).astype(np.float32)
        # A B-spline mixture of unit normals has a smaller deviation; divide so that `elastic` is in pixels.
        size = np.sqrt(np.mean(np.sum(spline_r**2, 1)) * np.mean(np.sum(spline_c**2, 1)))
        bend *= np.float32(settings["elastic"] / size)
        bend = np.matmul(np.matmul(spline_r, bend), spline_c.T)
        at_r += bend[0]
        at_c += bend[1]
    made = np.empty_like(x)
    for first in range(0, count, CHUNK):
        part = slice(first, first + CHUNK)
        _sample(x[part], at_r[part], at_c[part], settings.get("border") == "repeat", made[part])
    return made


def _sample(x, at_r, at_c, repeat, out):
    """Fill `out` with the bilinear samples of x at (at_r, at_c), which are overwritten; outside it reads zero, or the border."""
    count, height, width, channels = x.shape
    # One pixel of zeros around and clipped coordinates: no index needs a test.
    low, beyond = (0.0, 1.0) if repeat else (-1.0, 0.001)
    np.clip(at_r, low, height - beyond, out=at_r)
    np.clip(at_c, low, width - beyond, out=at_c)
    at_r += 1.0
    at_c += 1.0
    low_r, low_c = at_r.astype(np.int32), at_c.astype(np.int32)
    at_r -= low_r
    at_c -= low_c
    padded = np.zeros((count, height + 2, width + 2, channels), np.uint8)
    padded[:, 1:-1, 1:-1] = x
    stride = width + 2
    index = low_r
    index *= stride
    index += low_c
    index += (np.arange(count, dtype=np.int32) * np.int32((height + 2) * stride))[:, None, None]
    flat = padded.reshape(-1, channels)
    if channels == 1:
        flat = flat[:, 0]
    else:
        at_r, at_c = at_r[..., None], at_c[..., None]
    upper = _mix(flat, index, 0, at_c)
    lower = _mix(flat, index, stride, at_c)
    lower -= upper
    lower *= at_r
    upper += lower
    upper += np.float32(0.5)
    out[:] = upper.astype(np.uint8).reshape(x.shape)


def _mix(flat, index, offset, weight):
    """Return the linear mix of the pixel at index + offset and its right neighbour."""
    left = flat[offset:].take(index, axis=0).astype(np.float32)
    right = flat[offset + 1 :].take(index, axis=0).astype(np.float32)
    right -= left
    right *= weight
    left += right
    return left
