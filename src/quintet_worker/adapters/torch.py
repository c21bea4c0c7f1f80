"""PyTorch: channels-last tensors, fused optimisers, one list of closures that build() makes and every step runs.

BatchNorm's running variance is the population's here, so it is updated by hand: torch keeps the sample's.
"""

# pyright takes `import torch` here for this very file, and None for the type of parameters that only some layers have.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportArgumentType=false
# pyright: reportPossiblyUnboundVariable=false, reportOptionalMemberAccess=false

import math
import os

from quintet_worker.adapters.adapter import Adapter, has_unseeing_weights
from quintet_worker.memory import keep_freed_memory

PARTS = ("discriminator", "generator")
BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
TINY = 1e-12
# Layers whose output nobody else keeps: a relu behind may overwrite it, which saves an array.
OVERWRITABLE = ("conv", "dense", "batch_norm", "residual", "rescale")


class Torch(Adapter):
    """Eager PyTorch on the CPU or one CUDA device."""

    name = "torch"
    precisions = ("float64", "float32", "bfloat16")

    def __init__(self):
        import torch

        self.torch, self.F = torch, torch.nn.functional

    def versions(self):
        return {"torch": str(self.torch.__version__)}

    def build(self, network, optimiser, precision, threads, device):
        torch = self.torch
        torch.set_num_threads(threads)
        keep_freed_memory()
        torch.backends.cudnn.allow_tf32 = False  # float32 means float32: TF32 keeps 10 bits of the fraction
        if device != "cpu":
            self.group = 8  # reading the loss waits for the device; one wait in eight steps
        self.network, self.device, self.pair = network, device, network["format"] == "quintet-adversarial"
        self.dtype = torch.float64 if precision == "float64" else torch.float32
        self.compute = torch.bfloat16 if precision == "bfloat16" else self.dtype
        self.training, self.moving, self.masks = False, None, iter(())
        self.tensors, self.trained, self.chains, self.optimisers = {}, {}, {}, {}
        for part in PARTS if self.pair else ("",):
            one, prefix = (network[part], part + ".") if part else (network, "")
            self.trained[part] = {}
            for record in one["parameters"]:
                tensor = self._laid_out(torch.zeros(record["shape"], dtype=self.dtype, device=device))
                tensor.requires_grad_(record["trainable"])
                self.tensors[prefix + record["name"]] = tensor
                if record["trainable"]:
                    self.trained[part][prefix + record["name"]] = tensor
            self.chains[part] = self._chain(one["layers"], prefix)
            self.optimisers[part] = self._optimiser(optimiser, self.trained[part])

    def load(self, weights):
        with self.torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(self._laid_out(self.torch.tensor(weights[name])))
        for optimiser in self.optimisers.values():
            optimiser.state.clear()

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        x, y, extra = self._lent(x), None if y is None else self._lent(y), [self._lent(array) for array in extra]
        step = self._pair_step if self.pair else self._net_step
        losses = []
        for i, rate in enumerate(learning_rates):
            losses.append(step(x[i], None if y is None else y[i], [array[i] for array in extra], rate))
        return self.torch.stack(losses).double().cpu().numpy()

    def gradients(self, batch):
        x, y, extra = batch
        x, extra = self._lent(x), [self._lent(array) for array in extra]
        if not self.pair:
            value = self._net_pass(x, self._lent(y), extra, None)
            return float(value), self._gradients("")
        x, noise, generator_noise = self._pair_inputs(x, extra)
        d_loss = self._discriminator_pass(x[0], noise[0], None)
        gradients = self._gradients("discriminator")
        g_loss = self._generator_pass(x[-1], generator_noise, None)
        gradients.update(self._gradients("generator"))
        return self.torch.stack((g_loss, d_loss)).double().cpu().numpy(), gradients

    def predict(self, x, part=None):
        self.training = False
        with self.torch.inference_mode():
            return self._forward(part or "", self._lent(x)).to(self.dtype).cpu().numpy()

    def weights(self):
        return {name: self._canonical(tensor) for name, tensor in self.tensors.items()}

    def wait(self):
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def save_native(self, path):
        """Write a state_dict: kernels in torch's own order (filters, in, height, width), dense kernels (in, out)."""
        states = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        self.torch.save(states, os.path.join(path, "model.pt"))
        return "model.pt"

    def _lent(self, array):
        """Return a tensor over the caller's memory; torch warns of arrays that are read-only, so those are copied."""
        tensor = self.torch.from_numpy(array if array.flags.writeable else array.copy())
        return tensor if self.device == "cpu" else tensor.to(self.device)

    def _laid_out(self, tensor):
        if tensor.dim() != 4:
            return tensor
        # oneDNN has no float64, and torch's own convolution takes no channels-last gradient of a single filter.
        own = self.dtype == self.torch.float64
        form = self.torch.contiguous_format if own else self.torch.channels_last
        return tensor.permute(3, 2, 0, 1).contiguous(memory_format=form)

    def _canonical(self, tensor):
        tensor = tensor.detach()
        return (tensor.permute(2, 3, 1, 0) if tensor.dim() == 4 else tensor).cpu().numpy().copy(order="C")

    def _optimiser(self, record, trained):
        kernels = [tensor for name, tensor in trained.items() if name.endswith(".kernel")]
        others = [tensor for name, tensor in trained.items() if not name.endswith(".kernel")]
        groups = [{"params": kernels, "weight_decay": record["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
        groups = [group for group in groups if group["params"]]
        if record["type"] == "sgd":
            nesterov = record["nesterov"] and record["momentum"] > 0  # without momentum there is nothing to look ahead
            return self.torch.optim.SGD(groups, lr=0.0, momentum=record["momentum"], nesterov=nesterov, fused=True)
        make = self.torch.optim.AdamW if record["type"] == "adamw" else self.torch.optim.Adam
        return make(groups, lr=0.0, betas=(record["beta1"], record["beta2"]), eps=record["epsilon"], fused=True)

    def _update(self, part, rate):
        optimiser = self.optimisers[part]
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()

    def _forward(self, part, x):
        """Return the output, NHWC, of NHWC `x`; inside, images are NCHW over the same memory."""
        y = self.chains[part](x.permute(0, 3, 1, 2) if x.dim() == 4 else x)
        return y.permute(0, 2, 3, 1) if y.dim() == 4 else y

    def _backward(self, part, value):
        tensors = list(self.trained[part].values())
        for tensor in tensors:
            tensor.grad = None
        # backward() and not grad(): only it lays a gradient out like its parameter, and the fused optimisers count on it.
        value.backward(inputs=tensors)
        return value.detach()

    def _gradients(self, part):
        return {name: self._canonical(tensor.grad) for name, tensor in self.trained[part].items()}

    def _net_pass(self, x, y, masks, moving):
        self.training, self.moving, self.masks = True, moving, iter(masks)
        return self._backward("", self._loss(self.network["loss"], self._forward("", x), y))

    def _net_step(self, x, y, masks, rate):
        value = self._net_pass(x, y, masks, "")
        self._update("", rate)
        return value

    def _pair_inputs(self, x, extra):
        x = x.to(self.dtype)
        return [x] + ([array.to(self.dtype) for array in extra] if extra else [x, x[-1]])

    def _discriminator_pass(self, x, z, moving):
        self.training, self.moving = True, moving
        with self.torch.no_grad():
            fake = self._forward("generator", z)
        real, judged = self._forward("discriminator", x), self._forward("discriminator", fake)
        value = self._loss(BCE, real, self.torch.ones_like(real))
        value = value + self._loss(BCE, judged, self.torch.zeros_like(judged))
        return self._backward("discriminator", value)

    def _generator_pass(self, x, z, moving):
        self.training, self.moving = True, moving
        fake = self._forward("generator", z)
        judged = self._forward("discriminator", fake)
        value = self._loss(BCE, judged, self.torch.ones_like(judged))
        if self.network["reconstruction_weight"]:
            value = value + self.network["reconstruction_weight"] * self._loss({"type": "mean_squared_error"}, fake, x)
        return self._backward("generator", value)

    def _pair_step(self, x, _, extra, rate):
        x, noise, generator_noise = self._pair_inputs(x, extra)
        for one_x, one_z in zip(x, noise):
            d_loss = self._discriminator_pass(one_x, one_z, "discriminator.")
            self._update("discriminator", rate)
        g_loss = self._generator_pass(x[-1], generator_noise, "generator.")
        self._update("generator", rate)
        return self.torch.stack((g_loss, d_loss))

    def _loss(self, record, output, y):
        output = output.to(self.dtype)
        if record["type"] == "softmax_cross_entropy":
            return self.F.cross_entropy(output, y, label_smoothing=record["label_smoothing"])
        if record["type"] == "cosine_margin":
            return self._cosine_margin(record, output, y)
        y = y.to(self.dtype).reshape(output.shape)
        if record["type"] == "mean_squared_error":
            return self.F.mse_loss(output, y)
        smoothing = record["label_smoothing"]
        return self.F.binary_cross_entropy_with_logits(output, y * (1 - smoothing) + smoothing / 2 if smoothing else y)

    def _cosine_margin(self, record, output, y):
        torch, kernel, y = self.torch, self.tensors["loss.kernel"], y[:, None]
        margin = record["angular_margin"]
        cosine = self._unit(output, 1, TINY) @ self._unit(kernel, 0, TINY)
        true = cosine.gather(1, y)
        turned = true * math.cos(margin) - (1 - true * true).clamp(min=TINY).sqrt() * math.sin(margin)
        inside = true > math.cos(math.pi - margin)
        true = torch.where(inside, turned, true - margin * math.sin(margin)) - record["cosine_margin"]
        return self.F.cross_entropy(record["scale"] * cosine.scatter(1, y, true), y[:, 0])

    def _unit(self, x, axis, epsilon):
        return x / ((x * x).sum(axis, keepdim=True) + epsilon).sqrt()

    def _chain(self, layers, prefix):
        """Return the function through `layers`; each closure holds its tensors, so a step looks nothing up."""
        before, functions = [None] + [layer["type"] for layer in layers], []
        for layer, previous in zip(layers, before):
            functions.append(getattr(self, "_" + layer["type"])(layer, prefix, previous))

        def run(x):
            for function in functions:
                x = function(x)
            return x

        return run

    def _get(self, layer, prefix, role):
        return self.tensors.get(prefix + layer["name"] + "." + role)

    def _rescale(self, layer, prefix, previous):
        def shaped(value):
            if not isinstance(value, list):
                return value
            tensor = self.torch.tensor(value, dtype=self.dtype, device=self.device)
            return tensor.reshape((-1, 1, 1) if len(layer["input_shape"]) == 3 else -1)

        scale, offset = shaped(layer["scale"]), shaped(layer["offset"])
        return lambda x: (x.to(self.dtype) * scale).add_(offset)

    def _conv(self, layer, prefix, previous):
        kernel, bias = self._get(layer, prefix, "kernel"), self._get(layer, prefix, "bias")
        (top, bottom), (left, right) = layer["pads"]
        even = top == bottom and left == right
        stride, pads = tuple(layer["stride"]), (top, left) if even else 0
        dtype = self.dtype if has_unseeing_weights(layer) else self.compute
        conv2d, pad = self.F.conv2d, self.F.pad

        def run(x):
            if not even:
                x = pad(x, (left, right, top, bottom))
            return conv2d(x.to(dtype), kernel.to(dtype), None if bias is None else bias.to(dtype), stride, pads)

        return run

    def _dense(self, layer, prefix, previous):
        kernel, bias, dtype = self._get(layer, prefix, "kernel"), self._get(layer, prefix, "bias"), self.compute
        if bias is None:
            return lambda x: x.to(dtype) @ kernel.to(dtype)
        return lambda x: self.torch.addmm(bias.to(dtype), x.to(dtype), kernel.to(dtype))

    def _activation(self, layer, prefix, previous):
        kind, F = layer["kind"], self.F
        if kind == "relu":
            return self.torch.relu_ if previous in OVERWRITABLE else self.torch.relu
        if kind == "softplus":  # beyond its threshold torch takes x itself; at the default 20 that is off by 2e-9
            return lambda x: F.softplus(x, threshold=40.0)
        function = getattr(F, kind, None) or getattr(self.torch, kind)
        return (lambda x: function(x, layer["alpha"])) if kind in ("elu", "leaky_relu") else function

    def _max_pool(self, layer, prefix, previous):
        return lambda x: self.F.max_pool2d(x, layer["size"], layer["stride"])

    def _average_pool(self, layer, prefix, previous):
        return lambda x: self.F.avg_pool2d(x, layer["size"], layer["stride"])

    def _global_average_pool(self, layer, prefix, previous):
        return lambda x: x.mean((2, 3), dtype=self.dtype)

    def _batch_norm(self, layer, prefix, previous):
        scale, offset, mean, variance = (
            self._get(layer, prefix, role) for role in ("scale", "offset", "mean", "variance")
        )
        torch, epsilon, fresh = self.torch, layer["epsilon"], 1 - layer["momentum"]

        def run(x):
            x = x.to(self.compute)  # statistics and scale stay float32, which torch mixes with bfloat16 pictures
            if not self.training:
                return self.F.batch_norm(x, mean, variance, scale, offset, False, 0.0, epsilon)
            y, batch_mean, inverse = torch.native_batch_norm(x, scale, offset, None, None, True, 0.0, epsilon)
            if self.moving == prefix:
                with torch.no_grad():
                    mean.lerp_(batch_mean, fresh)
                    variance.lerp_(inverse.pow(-2).sub_(epsilon), fresh)
            return y

        return run

    def _dropout(self, layer, prefix, previous):
        rate = layer["rate"]

        def run(x):
            if not self.training or not rate:
                return x
            mask = next(self.masks)
            mask = mask.permute(0, 3, 1, 2) if mask.dim() == 4 else mask
            return x * mask.to(x.dtype).div_(1 - rate)

        return run

    def _flatten(self, layer, prefix, previous):
        # NHWC order, which for channels-last memory is a view.
        return lambda x: (x.permute(0, 2, 3, 1) if x.dim() == 4 else x).reshape(len(x), -1)

    def _residual(self, layer, prefix, previous):
        main, short = self._chain(layer["layers"], prefix), self._chain(layer["shortcut"], prefix)
        return lambda x: main(x) + short(x)

    def _normalise(self, layer, prefix, previous):
        return lambda x: self._unit(x.to(self.dtype), 1, layer["epsilon"])


ADAPTER = Torch
