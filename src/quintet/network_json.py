"""A network as JSON, there and back, and the resolved form that a job carries.

Format history
    1   2026-11: {"format": "quintet-net", "version": 1, "name", "input_shape", "layers": [{"type", …}], "loss": {"type", …}};
        a pair has "format": "quintet-adversarial" and both networks inside.
"""

from dataclasses import fields
from typing import Any

from quintet.errors import NetworkError, nearest
from quintet.layers import LAYER_TYPES, Conv, Layer, Residual, pads
from quintet.losses import LOSS_TYPES, Loss
from quintet.network import Adversarial, Net, PlacedLayer

VERSION = 1
_TYPE_NAMES = {cls: name for name, cls in LAYER_TYPES.items()}


def to_json(net: Net | Adversarial) -> dict[str, Any]:
    """Return `net` as plain dicts, lists, strings and numbers."""
    if isinstance(net, Adversarial):
        return {
            "format": "quintet-adversarial",
            "version": VERSION,
            "name": net.name,
            "generator": to_json(net.generator),
            "discriminator": to_json(net.discriminator),
            "critic_steps": net.critic_steps,
            "generator_input": net.generator_input,
            "reconstruction_weight": net.reconstruction_weight,
        }
    return {
        "format": "quintet-net",
        "version": VERSION,
        "name": net.name,
        "input_shape": list(net.input_shape),
        "layers": [_layer_json(layer) for layer in net.layers],
        "loss": _record_json(net.loss, net.loss.type),
    }


def from_json(record: dict[str, Any]) -> Net | Adversarial:
    """Return the network that `record` describes.

    Raises:
        NetworkError: an unknown format, version, layer, loss or setting (with the nearest name), or shapes that do not fit.
    """
    form, version = record.get("format"), record.get("version")
    if form not in ("quintet-net", "quintet-adversarial") or version != VERSION:
        raise NetworkError(
            f"received format {form!r}, version {version!r}; expected quintet-net or quintet-adversarial, version {VERSION};"
            " write it with this version of Quintet"
        )
    body = {key: value for key, value in record.items() if key not in ("format", "version")}
    if form == "quintet-adversarial":
        _known_keys("the adversarial pair", body, [f.name for f in fields(Adversarial)])
        pair = {**body, "generator": from_json(body["generator"]), "discriminator": from_json(body["discriminator"])}
        return Adversarial(**pair)
    _known_keys("the network", body, [f.name for f in fields(Net)])
    missing = {"name", "input_shape", "layers", "loss"} - body.keys()
    if missing:
        raise NetworkError(
            f"received a network without {', '.join(sorted(missing))}; expected name, input_shape, layers and loss"
        )
    return Net(
        name=body["name"],
        input_shape=tuple(body["input_shape"]),
        layers=tuple(_layer(item) for item in body["layers"]),
        loss=_loss(body["loss"]),
    )


def resolved(net: Net | Adversarial) -> dict[str, Any]:
    """Return the form that a job carries: to_json plus each layer's name, shapes and explicit padding.

    A worker reads this and works nothing out for itself, so that two adapters cannot differ in it.
    """
    record = to_json(net)
    if isinstance(net, Adversarial):
        return {**record, "generator": resolved(net.generator), "discriminator": resolved(net.discriminator)}
    return {
        **record,
        "layers": [_resolved_layer(placed) for placed in net.placed()],
        "output_shape": list(net.output_shape),
        "parameters": [
            {"name": p.name, "shape": list(p.shape), "role": p.role, "trainable": p.trainable} for p in net.parameters()
        ],
    }


def _resolved_layer(placed: PlacedLayer) -> dict[str, Any]:
    layer = placed.layer
    record = {
        **_layer_json(layer),
        "name": placed.name,
        "input_shape": list(placed.input_shape),
        "output_shape": list(placed.output_shape),
    }
    if isinstance(layer, Conv):
        record["pads"] = [list(side) for side in pads(placed.input_shape, layer)]
    if isinstance(layer, Residual):
        record["layers"], record["shortcut"] = ([_resolved_layer(p) for p in branch] for branch in placed.branches)
    return record


def _layer_json(layer: Layer) -> dict[str, Any]:
    record = _record_json(layer, _TYPE_NAMES[type(layer)])
    if isinstance(layer, Residual):
        record["layers"] = [_layer_json(inner) for inner in layer.layers]
        record["shortcut"] = [_layer_json(inner) for inner in layer.shortcut]
    return record


def _record_json(record: Any, type_name: str) -> dict[str, Any]:
    plain = {f.name: getattr(record, f.name) for f in fields(record)}
    return {"type": type_name, **{k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}}


def _layer(record: dict[str, Any]) -> Layer:
    if record.get("type") == "residual":
        inner = {key: tuple(_layer(r) for r in record.get(key, ())) for key in ("layers", "shortcut")}
        _known_keys("layer residual", record, ["type", "layers", "shortcut"])
        return Residual(**inner)
    return _make("layer", record, LAYER_TYPES)


def _loss(record: dict[str, Any]) -> Loss:
    return _make("loss", record, LOSS_TYPES)


def _make(what: str, record: dict[str, Any], types: dict[str, type]) -> Any:
    name = str(record.get("type"))
    if name not in types:
        raise NetworkError(f'received {what} "{name}", {nearest(name, types)}')
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in record.items() if k != "type"}
    _known_keys(f"{what} {name}", settings, [f.name for f in fields(types[name])])
    try:
        return types[name](**settings)
    except TypeError as error:
        raise NetworkError(f"{what} {name}: {error}; give every setting that has no default") from None


def _known_keys(what: str, record: dict[str, Any], known: list[str]) -> None:
    for key in record:
        if key not in known:
            raise NetworkError(f'{what}: received setting "{key}", {nearest(key, known)}')
