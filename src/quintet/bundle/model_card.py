"""The model card (after Mitchell et al. 2019) in Markdown, worded from the bundle's own records and from nothing else.

It is generated: what a system wants to say goes into bundle.json's "model_card" (intended_use, limits, not_tested: lists of
sentences). What is missing is said to be missing. A stranger's words, such as labels, cannot break out of their line.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from quintet.errors import BundleError
from quintet.metrics import METRICS

_MOST_LABELS = 50


def write_card(folder: Path) -> Path:
    """Write card.md anew from bundle.json, exports/exports.json and decision.json, and return its path."""
    from quintet.job import write_whole

    content = render_card(folder)
    write_whole(folder / "card.md", content)
    return folder / "card.md"


def render_card(folder: Path) -> bytes:
    """Return card.md's content for the bundle in `folder`; equal records give equal bytes.

    Raises:
        BundleError: bundle.json is missing or damaged.
    """
    card = _record(folder / "bundle.json")
    if not card:
        raise BundleError(f"received {folder}, expected a whole bundle.json in it; train or copy it again")
    try:
        return _render(card, _record(folder / "decision.json"), _record(folder / "exports" / "exports.json"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"received {folder} with a record that no model card can be made of ({error!r}), expected bundle.json,"
            " decision.json and exports/exports.json as Quintet writes them; make the odd one anew"
        ) from None


def _render(card: Mapping[str, Any], decision: Mapping[str, Any], exports: Mapping[str, Any]) -> bytes:
    sections = (
        _head(card),
        _list("Intended use", _intended(card)),
        _list("Data", _data(card)),
        _figures(card),
        _exports(exports),
        _list("When it does not know", [_scalars(decision)] if decision else []),
        _list("How it was trained", _training(card)),
        _list("Limits", _limits(card, bool(decision))),
        _list("Not tested", _not_tested(card)),
    )
    return ("\n\n".join(section for section in sections if section) + "\n").encode()


def _head(card: Mapping[str, Any]) -> str:
    version = card.get("model_version")
    made = f"version {version}"
    if isinstance(version, int) and version > 1_000_000_000:
        made += f" ({datetime.fromtimestamp(version, UTC):%Y-%m-%d %H:%M} UTC)"
    system = f"a model of the system {_text(card['system'])}, " if card.get("system") else ""
    return f"# {_text(card.get('name'))}\n\n{system}{made}. Generated from bundle.json; edits here are lost."


def _intended(card: Mapping[str, Any]) -> list[str]:
    labels = [_text(label) for label in card.get("labels", ())]
    named = ", ".join(labels[:_MOST_LABELS]) + (", …" if len(labels) > _MOST_LABELS else "")
    shape = card.get("preprocessing") or {}
    lines = _words(card, "intended_use")
    lines.append(f"It answers with one of {len(labels)} classes: {named}.")
    if shape:
        kind = "grey" if shape.get("channels") == 1 else "RGB"
        lines.append(
            f"Input: a whole picture squashed to {shape.get('height')}x{shape.get('width')}, {kind},"
            f" {shape.get('resample')} window; scaling is inside the network."
        )
    return lines


def _data(card: Mapping[str, Any]) -> list[str]:
    data = card.get("data") or {}
    provenance = data.get("provenance") or {}
    lines = [f"Data set: {_text(data.get('name'))}"]
    lines += [f"{key.capitalize()}: {_text(provenance.get(key))}" for key in ("source", "licence", "citation")]
    lines += [
        f"{words}: {_text(data.get(key))}"
        for words, key in (("SHA-256 of what it learnt from", "sha256"), ("SHA-256 of the test set", "test_sha256"))
    ]
    return lines


def _figures(card: Mapping[str, Any]) -> str:
    rows = []
    own, n = card.get("own_test_accuracy"), card.get("own_test_n")
    if own is not None:
        span = _span(card.get("own_test_interval"), METRICS["accuracy"].show)
        rows.append(
            f"| accuracy of this very model | {METRICS['accuracy'].show(own)} | {span} | {_text(n)} test images |"
        )
    for name, summary in (card.get("figures") or {}).items():
        if name not in METRICS:
            continue
        failed = f", {summary['n_failed']} failed" if summary.get("n_failed") else ""
        shown = METRICS[name].show
        cells = (
            f"{METRICS[name].label}, mean over seeds",
            shown(summary.get("mean")),
            _span(summary.get("interval"), shown),
        )
        rows.append(f"| {' | '.join(cells)} | {summary.get('n')} seeds{failed} |")
    if not rows:
        return "## Figures\n\nNone: it was not tested."
    used = dict.fromkeys(["accuracy", *(name for name in card.get("figures") or {} if name in METRICS)])
    meanings = "\n".join(f"- {METRICS[name].label}: {METRICS[name].definition}" for name in used)
    table = "\n".join(["| figure | value | 95 % interval | n |", "|---|---|---|---|", *rows])
    return (
        f"## Figures\n\n{table}\n\n{meanings}\n\n"
        "The model was chosen by its validation accuracy; the test set played no part in the choice."
    )


def _span(interval: Mapping[str, Any] | None, shown: Any) -> str:
    if not interval or interval.get("low") is None or interval.get("high") is None:
        return "none: " + _text((interval or {}).get("method", "not computed")).removeprefix("none: ")
    return f"{shown(interval['low'])} to {shown(interval['high'])} ({_text(interval.get('method'))})"


def _training(card: Mapping[str, Any]) -> list[str]:
    recipe = card.get("recipe") or {}
    optimiser = recipe.get("optimiser") or {}
    machine = card.get("machine") or {}
    lines = [f"Network: {_text(card.get('network') or card.get('name'))}, {card.get('parameters')} trainable numbers"]
    if card.get("library"):
        versions = ", ".join(f"{_text(k)} {_text(v)}" for k, v in (card.get("versions") or {}).items())
        lines.append(f"Library: {_text(card['library'])} ({versions})")
    if recipe:
        plain = {key: recipe.get(key) for key in ("epochs", "batch_size", "rate", "schedule", "warmup", "initial")}
        lines.append(f"Recipe: {_scalars(plain)}")
        lines.append(f"Optimiser: {_scalars(optimiser)}")
        lines.append(f"Augmentation: {_scalars(recipe.get('augment') or {}) or 'none'}")
    if card.get("study"):
        lines.append(f"Study {_text(card['study'])}, trial {_text(card.get('trial'))}, seed {card.get('seed')}")
    if machine:
        lines.append(f"Machine: {_scalars(machine)}")
    return lines


def _limits(card: Mapping[str, Any], rejects: bool) -> list[str]:
    lines = _words(card, "limits")
    if not rejects:
        lines.append(
            "It has no reject rule of its own (no decision.json): whatever it is shown, it answers with a class."
        )
    lines.append("The figures hold for data like the test set's, and for no other.")
    return lines


def _not_tested(card: Mapping[str, Any]) -> list[str]:
    name = _text((card.get("data") or {}).get("name"))
    return [
        *_words(card, "not_tested"),
        f"Pictures from elsewhere than {name}: other cameras, light, distance, printing or hands.",
        "Differences in accuracy between groups of people, places or devices within a class.",
        "Pictures that were made to deceive it.",
    ]


def _words(card: Mapping[str, Any], key: str) -> list[str]:
    return [_text(sentence) for sentence in (card.get("model_card") or {}).get(key, ())]


def _exports(record: Mapping[str, Any]) -> str:
    """Return the exports as they were judged with their own runtimes, from the record that `quintet export` writes."""
    shown, points = METRICS["accuracy"].show, METRICS["accuracy"].show_difference
    rows = []
    for name, one in (record.get("exports") or {}).items():
        span = one["interval"]
        loss = f"{points(one['difference'])} points ({points(span['low'])} to {points(span['high'])}, {_text(span['method'])})"
        size = f"{one['size_bytes']:,}" if one["kept"] else "refused"
        cells = (_text(name), shown(one["accuracy"]), loss, shown(one["agreement"]), f"{one['n']:,}", size)
        rows.append(f"| {' | '.join(cells)} |")
    head = [
        "| export | accuracy | to the network in float32, 95 % interval | same answers | n | bytes |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join(["## Exports", "", *head, *rows]) if rows else ""


def _scalars(record: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_text(key)} {_text(f'{value:.6g}' if isinstance(value, float) else value)}"
        for key, value in record.items()
        if isinstance(value, str | int | float)
    )


def _list(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", "", *(f"- {line}" for line in lines)]) if lines else ""


def _text(value: Any) -> str:
    """Return a value on one line, with nothing in it that Markdown or HTML would take for its own."""
    if value is None or value == "":
        return "not recorded"
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    for mark in "\\`|<>[]":
        line = line.replace(mark, f"\\{mark}")
    return line


def _record(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
