"""One contract for every runtime: what numpy answers, the others answer, on every layer there is.

float32: no output differs from numpy's by more than 1e-5 of the largest. int8: none by more than 8 % of it, on the samples
that it was calibrated with (256 steps a value and up to thirty layers on end; 5 % were seen).
"""

import json
import subprocess
import sys
import threading

import cases
import numpy as np
import pytest

from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.errors import BundleError, EnvironmentUnavailable, NetworkError
from quintet.export.calibrate import calibrate
from quintet.export.fold import fold
from quintet.export.litert_writer import litert_model
from quintet.export.onnx_writer import onnx_model
from quintet.export.openvino_writer import openvino_model
from quintet.export.quantise import make_plan
from quintet.layers import LAYER_TYPES
from quintet.runtimes import PRECISIONS, RUNTIMES, NumpyPredictor, export_file, open_predictor

NETS = [cases.PADDED, cases.POOLED, cases.IMAGE, cases.ACTIVE, cases.SMALL, cases.DROPPED, cases.MIXED]
IDS = ["padded", "pooled", "image", "active", "small", "dropped", "mixed"]
EXPORTED = [name for name in RUNTIMES if name != "numpy"]
EVERY = [("numpy", "float32"), *((runtime, precision) for runtime in EXPORTED for precision in PRECISIONS)]
TOLERANCE = {"float32": 1e-5, "int8": 0.08}
PACKAGE = {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert", "openvino": "openvino"}
MANY = 70  # more than any predictor takes at once


def samples(net, count=MANY):
    x = cases.batch_of(net, batch=count)[0]
    return x if x.dtype == np.uint8 else x.astype(np.float32)


def write_exports(folder, net):
    """Write a bundle of `net` with every export."""
    weights = {
        name: np.abs(array) if name.endswith("variance") else array for name, array in cases.weights_of(net).items()
    }
    write_bundle(folder, Bundle(net=net, weights=weights, labels=[], card={}))
    graph = fold(net, read_bundle(folder).weights)
    plan = make_plan(graph, calibrate(graph, samples(net)))
    (folder / "exports").mkdir()
    for precision, how in (("float32", None), ("int8", plan)):
        export_file(folder, "onnxruntime", precision).write_bytes(onnx_model(graph, how))
        export_file(folder, "litert", precision).write_bytes(litert_model(graph, how))
        xml, weights_file = openvino_model(graph, how)
        export_file(folder, "openvino", precision).write_bytes(xml)
        export_file(folder, "openvino", precision).with_suffix(".bin").write_bytes(weights_file)
    return folder


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    base = tmp_path_factory.mktemp("runtimes")
    return {name: write_exports(base / name, net) for name, net in zip(IDS, NETS, strict=True)}


def close(found, expected, precision):
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() <= TOLERANCE[precision] * np.abs(expected).max()


def test_the_networks_have_every_layer_kind():
    found = {type(p.layer) for net in NETS for top in net.placed() for p in top.walk()}
    assert found == set(LAYER_TYPES.values())


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
@pytest.mark.parametrize(("name", "net"), list(zip(IDS, NETS, strict=True)), ids=IDS)
def test_it_answers_as_numpy_does(bundles, name, net, runtime, precision):
    x = samples(net)
    found = open_predictor(bundles[name], runtime, precision)(x)
    close(found, NumpyPredictor(read_bundle(bundles[name]))(x), precision)
    assert len(np.unique(found, axis=0)) > MANY // 2, "different samples, different answers"


@pytest.mark.parametrize("name", ["small", "dropped", "mixed"])
def test_int8_of_integers_alone_is_the_same_grid_everywhere(bundles, name):
    x = samples(NETS[IDS.index(name)])
    a, b, c = (open_predictor(bundles[name], runtime, "int8")(x) for runtime in EXPORTED)
    step = np.diff(np.unique(a)).min()
    assert np.abs(a - b).max() <= 1.01 * step  # a rounding of a half may fall either way on another processor
    assert np.abs(a - c).max() <= 2.01 * step


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
@pytest.mark.parametrize("name", ["mixed", "small"])
def test_batches_of_none_one_and_many(bundles, name, runtime, precision):
    net = NETS[IDS.index(name)]
    predict, x = open_predictor(bundles[name], runtime, precision), samples(net)
    together = predict(x)
    assert predict(x[:0]).shape == (0, *net.output_shape)
    alone = np.concatenate([predict(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(alone, together, atol=1e-5 * np.abs(together).max())


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
def test_samples_in_any_memory_order_and_answers_of_ones_own(bundles, runtime, precision):
    predict, x = open_predictor(bundles["mixed"], runtime, precision), samples(cases.MIXED)
    before = x.copy()
    first = predict(x[:3])
    kept = first.copy()
    turned = predict(x[:3, ::-1])
    np.testing.assert_allclose(turned, predict(np.ascontiguousarray(x[:3, ::-1])), rtol=1e-6)
    assert np.abs(turned - first).max() > 0
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
def test_samples_that_do_not_fit_are_refused(bundles, runtime, precision):
    predict, x = open_predictor(bundles["mixed"], runtime, precision), samples(cases.MIXED)
    for wrong in (x[:, :5], x[0], x.astype(np.float32), x.astype(np.int64)):
        with pytest.raises(NetworkError, match=r"expected \(batch, 6, 6, 1\), uint8"):
            predict(wrong)
    floats = open_predictor(bundles["small"], runtime, precision)
    wide = samples(cases.SMALL).astype(np.float64)
    np.testing.assert_array_equal(floats(wide), floats(wide.astype(np.float32)))
    with pytest.raises(NetworkError, match=r"expected .*float32"):
        floats(wide.astype(complex))


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
def test_more_threads_same_answers(bundles, runtime, precision):
    x = samples(cases.PADDED)
    one, two = (open_predictor(bundles["padded"], runtime, precision, threads=n)(x) for n in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-5 * np.abs(one).max())


@pytest.mark.parametrize(("runtime", "precision"), EVERY)
def test_calls_from_two_threads_do_not_mix(bundles, runtime, precision):
    predict, x = open_predictor(bundles["mixed"], runtime, precision), samples(cases.MIXED)
    parts = (x[:35], x[35:])
    expected = [predict(part) for part in parts]
    wrong, start = [], threading.Barrier(2)

    def ask(i):
        start.wait()
        for _ in range(20):
            if not np.allclose(predict(parts[i]), expected[i], rtol=1e-5, atol=1e-5):
                wrong.append(i)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert not np.allclose(expected[0], expected[1])


@pytest.mark.parametrize("runtime", EXPORTED)
def test_a_missing_package_says_what_to_type(bundles, monkeypatch, runtime):
    for module in [m for m in sys.modules if m.split(".")[0] == PACKAGE[runtime]]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, PACKAGE[runtime], None)
    with pytest.raises(EnvironmentUnavailable, match="type: pip install"):
        open_predictor(bundles["small"], runtime, "int8")


@pytest.mark.parametrize("runtime", EXPORTED)
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.98], ids=["empty", "a third", "nearly whole"])
def test_a_damaged_file_is_refused_by_name(bundles, tmp_path, runtime, keep):
    whole = export_file(bundles["padded"], runtime, "int8")
    for damaged in [whole, *([whole.with_suffix(".bin")] if runtime == "openvino" else [])]:
        folder = tmp_path / damaged.suffix[1:]
        (folder / "exports").mkdir(parents=True)
        for file in (whole, whole.with_suffix(".bin")):
            if file.exists():
                (folder / "exports" / file.name).write_bytes(file.read_bytes())
        content = damaged.read_bytes()
        (folder / "exports" / damaged.name).write_bytes(content[: int(keep * len(content))])
        with pytest.raises(BundleError) as error:
            open_predictor(folder, runtime, "int8")
        assert whole.name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("runtime", EXPORTED)
def test_an_export_that_is_not_there_names_the_command(tmp_path, runtime):
    with pytest.raises(BundleError, match=r"quintet export .* --precision int8"):
        open_predictor(tmp_path, runtime, "int8")


def test_what_is_asked_for_is_checked(bundles):
    with pytest.raises(BundleError, match='did you mean "litert"'):
        open_predictor(bundles["small"], "litret")
    with pytest.raises(BundleError, match='did you mean "int8"'):
        open_predictor(bundles["small"], "litert", "int4")
    with pytest.raises(BundleError, match="0 threads"):
        open_predictor(bundles["small"], "litert", threads=0)
    with pytest.raises(BundleError, match="float32 only"):
        open_predictor(bundles["small"], "numpy", "int8")


@pytest.mark.parametrize("runtime", EXPORTED)
def test_a_board_opens_an_export_with_that_runtime_alone_and_without_the_weights(bundles, tmp_path, runtime):
    file = export_file(bundles["mixed"], runtime, "int8")
    (tmp_path / "exports").mkdir()
    for one in (file, file.with_suffix(".bin")):
        if one.exists():
            (tmp_path / "exports" / one.name).write_bytes(one.read_bytes())
    code = (
        "import sys, json, pathlib, numpy\n"
        "from quintet.runtimes import open_predictor\n"
        f"predict = open_predictor(pathlib.Path({str(tmp_path)!r}), {runtime!r}, 'int8')\n"
        "print(json.dumps([predict(numpy.zeros((1, 6, 6, 1), numpy.uint8)).shape, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shape, modules = json.loads(done.stdout.splitlines()[-1])
    assert shape == [1, 3]
    others = {*PACKAGE.values(), "onnx", "torch", "tensorflow", "scipy", "safetensors", "pydantic"} - {PACKAGE[runtime]}
    assert not others & set(modules)
    assert PACKAGE[runtime] in modules
