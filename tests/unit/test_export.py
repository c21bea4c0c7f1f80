"""Export: folding is exact, int8 is int8, and what is worse than the margin is refused with both figures and not kept."""

import json

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.errors import BundleError, DataError, NetworkError
from quintet.export import export_bundle, read_exports
from quintet.export.calibrate import calibrate, least_error
from quintet.export.exporting import _judge, decisions
from quintet.export.fold import _plain, fold
from quintet.export.graph import INPUT, Affine, Convolution, Flat, Function, GlobalMean, Pool, Product, Sum
from quintet.export.litert_model import ALIGNED, schema
from quintet.export.litert_writer import litert_model
from quintet.export.onnx_writer import onnx_model
from quintet.export.quantise import Grid, grid_of, int8_weights, make_plan
from quintet.layers import (
    ACTIVATIONS,
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Normalise,
    Rescale,
    Residual,
)
from quintet.losses import MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Net
from quintet.runtimes import NumpyPredictor, open_predictor
from quintet.runtimes.litert import LiteRTPredictor
from quintet.runtimes.onnxruntime import OnnxRuntimePredictor
from quintet.weights import initial_weights

RELU = Activation(kind="relu")


def network(*layers, shape=(8, 8, 2), loss=None):
    net = Net(name="n", input_shape=shape, layers=layers, loss=loss or MeanSquaredError())
    rng = np.random.default_rng(3)
    weights = initial_weights(net, rng)
    for name, array in weights.items():
        if not name.endswith("kernel"):
            weights[name] = array + rng.uniform(0.1, 0.5, array.shape)
    return net, {name: array.astype(np.float32) for name, array in weights.items()}


def bytes_of(net, count=20):
    return np.random.default_rng(4).integers(0, 256, (count, *net.input_shape), dtype=np.uint8)


def folded(net, weights):
    """Return the graph's operations, after both writers' answers were seen to be numpy's."""
    graph, x = fold(net, weights), bytes_of(net)
    x = x if graph.takes_bytes else x.astype(np.float32) / 64 - 2
    expected = NumpyPredictor(Bundle(net=net, weights=weights, labels=[], card={}))(x)
    for predict in (OnnxRuntimePredictor(onnx_model(graph)), LiteRTPredictor(litert_model(graph))):
        assert np.abs(predict(x) - expected).max() <= 1e-4 * np.abs(expected).max()  # large values that cancel
    return [type(node.operation) for node in graph.nodes]


def test_batch_norm_goes_into_the_convolution_before_it_and_relu_is_joined():
    net, weights = network(Rescale(scale=1 / 255), Conv(filters=3), BatchNorm(), RELU, Dropout(rate=0.5))
    assert folded(net, weights) == [Convolution]


def test_batch_norm_behind_a_pool_goes_back_through_it():
    for pool in (MaxPool(), AveragePool()):
        net, weights = network(Conv(filters=3, bias=False), pool, BatchNorm(), Flatten(), Dense(units=2), BatchNorm())
        assert folded(net, weights) == [Convolution, Pool, Flat, Product]


def test_a_negative_scale_does_not_pass_max_pool_but_goes_forward():
    net, weights = network(Conv(filters=3), MaxPool(), BatchNorm(), Flatten(), Dense(units=2))
    weights["bn1.scale"][1] = -0.7
    assert folded(net, weights) == [Convolution, Pool, Flat, Product]
    net, weights = network(Conv(filters=3), MaxPool(), BatchNorm(), RELU)
    weights["bn1.scale"][1] = -0.7
    assert folded(net, weights) == [Convolution, Pool, Affine, Function]


def test_what_two_take_is_not_changed_for_one():
    main = (BatchNorm(), RELU, Conv(filters=3), BatchNorm())
    net, weights = network(Conv(filters=3), Residual(layers=main), RELU, GlobalAveragePool())
    assert folded(net, weights) == [Convolution, Affine, Function, Convolution, Sum, GlobalMean]


def test_an_empty_residual_doubles():
    net, weights = network(Rescale(scale=0.5), Residual(layers=()), Residual(layers=(RELU,)))
    assert folded(net, weights) == [Affine, Sum, Function, Sum]


def test_a_network_of_nothing_but_what_prediction_skips_is_still_a_model():
    net, weights = network(Dropout(rate=0.5))
    assert folded(net, weights) == [Affine]


def test_flatten_before_and_behind_what_depends_on_order():
    net, weights = network(Conv(filters=3), Flatten(), BatchNorm(), RELU, Dense(units=2))
    assert folded(net, weights) == [Convolution, Flat, Affine, Function, Product]
    net, weights = network(Conv(filters=3), Flatten())
    assert folded(net, weights) == [Convolution, Flat]
    net, weights = network(Flatten(), Normalise(), Dense(units=2))
    folded(net, weights)


@pytest.mark.parametrize(
    ("rescale", "padding", "zero", "operations"),
    [
        (Rescale(scale=1 / 64, offset=-2.0), "same", 128, [Convolution]),  # 0 is byte 128, so padding is exact
        (Rescale(scale=1 / 255), "same", 0, [Convolution]),
        (Rescale(scale=(1 / 255, 1 / 128)), "same", 0, [Convolution]),
        (Rescale(scale=1 / 127.5, offset=-1.0), "same", 0, [Affine, Convolution]),  # 0 is byte 127.5
        (Rescale(scale=1 / 127.5, offset=-1.0), "valid", 0, [Convolution]),
        (Rescale(scale=(1 / 64, 1 / 32), offset=(-1.0, -3.0)), "same", 0, [Affine, Convolution]),
        (Rescale(scale=(1 / 64, 1 / 32), offset=(-1.0, -2.0)), "same", 64, [Convolution]),
        (Rescale(scale=1 / 64, offset=2.0), "same", 0, [Affine, Convolution]),  # 0 is no byte
        (Rescale(scale=0.0, offset=1.0), "same", 0, [Affine, Convolution]),
    ],
)
def test_rescale_becomes_the_meaning_of_the_bytes_where_that_is_exact(rescale, padding, zero, operations):
    net, weights = network(rescale, Conv(filters=3, kernel=(3, 2), stride=(2, 2), padding=padding), RELU)
    assert folded(net, weights) == operations
    assert fold(net, weights).zero == zero


def test_a_layer_that_is_not_known_is_refused():
    with pytest.raises(NetworkError, match="Dropout, which no export knows"):
        _plain(Dropout(rate=0.5), "dropout1")


def quantised(net, weights):
    graph = fold(net, weights)
    return graph, make_plan(graph, calibrate(graph, bytes_of(net)))


DEEP = (
    Rescale(scale=1 / 64, offset=-2.0), Conv(filters=4, stride=(2, 2), bias=False), BatchNorm(), RELU,
    Residual(layers=(Conv(filters=4), BatchNorm(), RELU, Conv(filters=4), BatchNorm())), RELU,
    Residual(layers=(Conv(filters=8, stride=(2, 2)),), shortcut=(Conv(filters=8, kernel=(1, 1), stride=(2, 2)),)), RELU,
    GlobalAveragePool(), Dense(units=2),
)  # fmt: skip


def test_an_onnx_file_has_one_transpose_and_no_arithmetic_on_the_input():
    model = onnx.ModelProto.FromString(onnx_model(*quantised(*network(*DEEP))))
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Transpose") == 1
    assert kinds[:3] == ["Transpose", "DequantizeLinear", "DequantizeLinear"]  # the input's, then a kernel's
    assert not {"Cast", "Mul", "Sub"} & set(kinds)
    stored = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    kernels = [a for name, a in stored.items() if name.endswith("kernel.stored")]
    assert len(kernels) == 6
    assert {a.dtype for a in kernels} == {np.dtype(np.int8)}
    onnx.checker.check_model(model)


def test_onnxruntime_computes_a_quantised_network_in_integers_that_are_the_same_on_every_processor(tmp_path):
    """A sum alone is in float32: QLinearAdd was seen to differ by a step between x86 and Arm, on 2 of 500 photos."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(onnx_model(*quantised(*network(*DEEP))), options, providers=["CPUExecutionProvider"])
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node}
    assert {"QLinearConv", "Sum", "QLinearGlobalAveragePool", "QGemm"} <= kinds
    assert not {"Conv", "QLinearAdd", "Add", "Gemm", "GlobalAveragePool", "Relu"} & kinds


def test_openvino_computes_most_convolutions_in_integers():
    import openvino

    from quintet.export.openvino_writer import openvino_model

    xml, weights_file = openvino_model(*quantised(*network(*DEEP)))
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(xml, weights_file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = [
        op.get_rt_info()["runtimePrecision"].astype(str)
        for op in compiled.get_runtime_model().get_ordered_ops()
        if op.get_rt_info()["layerType"].astype(str) == "Convolution"
    ]
    assert len(found) == 5
    assert sum(precision in ("u8", "i8") for precision in found) >= 4  # the first one has too few channels for OpenVINO


def operators(content):
    """Return the names of a LiteRT file's operators, and its model."""
    s = schema()
    model = s.ModelT.InitFromPackedBuf(content, 0)
    names = {number: name for name, number in vars(s.BuiltinOperator).items() if isinstance(number, int)}
    codes = [model.operatorCodes[op.opcodeIndex].builtinCode for op in model.subgraphs[0].operators]
    return [names[code] for code in codes], model


def test_a_litert_file_is_integers_from_end_to_end_and_its_buffers_lie_as_its_schema_wants():
    graph, plan = quantised(*network(*DEEP))
    content = litert_model(graph, plan)
    names, model = operators(content)
    assert names == [
        "CONV_2D", "CONV_2D", "CONV_2D", "ADD", "CONV_2D", "CONV_2D", "ADD", "MEAN", "FULLY_CONNECTED", "DEQUANTIZE",
    ]  # fmt: skip
    taken = model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]]
    assert taken.type == schema().TensorType.INT8
    assert taken.quantization.zeroPoint[0] == 0
    places = [content.find(bytes(b.data.tobytes())) for b in model.buffers if b.data is not None and len(b.data) >= 64]
    assert len(places) == 4
    assert [place % ALIGNED for place in places] == [0] * len(places)


def test_int8_files_are_about_a_quarter():
    net, weights = network(Rescale(scale=1 / 64, offset=-2.0), Conv(filters=64), RELU, Conv(filters=64), Flatten(),
                           Dense(units=10))  # fmt: skip
    graph, plan = quantised(net, weights)
    for write in (onnx_model, litert_model):
        assert len(write(graph, plan)) < 0.3 * len(write(graph))


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("relu", ["RELU"]),
        ("leaky_relu", ["LEAKY_RELU"]),
        ("sigmoid", ["LOGISTIC"]),
        ("tanh", ["TANH"]),
        ("gelu", ["DEQUANTIZE", "GELU", "QUANTIZE"]),
        ("silu", ["DEQUANTIZE", "LOGISTIC", "MUL", "QUANTIZE"]),
    ],
)
def test_functions_that_litert_has_in_int8_stay_in_int8(kind, written):
    net, weights = network(Rescale(scale=1 / 64, offset=-2.0), Conv(filters=2), MaxPool(), AveragePool(size=(1, 1)),
                           Activation(kind=kind), Flatten(), Dense(units=3))  # fmt: skip
    if kind == "relu":
        net, weights = network(*net.layers[:3], Normalise(), *net.layers[4:])
        written = ["DEQUANTIZE", "MUL", "SUM", "ADD", "RSQRT", "MUL", "QUANTIZE", "RELU"]
    names, _ = operators(litert_model(*quantised(net, weights)))
    pools = ["CONV_2D", "MAX_POOL_2D", *(["AVERAGE_POOL_2D"] if kind != "relu" else [])]
    assert names == [*pools, *written, "RESHAPE", "FULLY_CONNECTED", "DEQUANTIZE"]


@given(low=st.floats(-1e6, 1e6), high=st.floats(-1e6, 1e6))
def test_a_grid_holds_zero_exactly_and_its_range_to_a_step(low, high):
    grid = grid_of(low, high)
    assert 0 <= grid.zero <= 255
    assert grid.scale > 0
    low, high = min(low, 0.0), max(high, 0.0)
    if high > low:
        assert grid.scale * (0 - grid.zero) <= low + 0.51 * grid.scale * 1.001
        assert grid.scale * (255 - grid.zero) >= high - 0.51 * grid.scale * 1.001


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), size=st.sampled_from([0.0, 1e-12, 1.0, 1e6]))
def test_weights_come_back_from_int8_to_half_a_step(seed, size):
    rng = np.random.default_rng(seed)
    kernel = (rng.standard_normal((3, 3, 2, 4)) * size).astype(np.float32)
    operation = Convolution(
        kernel=kernel, bias=rng.standard_normal(4).astype(np.float32), stride=(1, 1), pads=((0, 0), (0, 0))
    )
    packed = int8_weights(operation, Grid(scale=0.01, zero=3))
    assert np.abs(packed.kernel * packed.scales - kernel).max() <= 0.51 * packed.scales.max()
    np.testing.assert_allclose(packed.bias * packed.bias_scales.astype(float), operation.bias,
                               atol=0.51 * packed.bias_scales.max())  # fmt: skip


def test_a_range_gives_up_rare_extremes_for_finer_steps():
    values = np.concatenate([np.random.default_rng(0).standard_normal(100_000), [40.0]])
    histogram, _ = np.histogram(values, 2048, (-40.0, 40.0))
    low, high = least_error(histogram, -40.0, 40.0)
    assert high < 30
    assert low == -high
    flat = np.ones(2048)
    assert least_error(flat, 0.0, 1.0) == (0.0, 1.0)


def test_values_that_are_not_finite_are_refused_with_the_range():
    net, weights = network(Rescale(scale=1 / 255), Conv(filters=2), RELU, Conv(filters=2))
    weights["conv1.kernel"][:] = 1e30
    weights["conv2.kernel"][:] = 1e30
    graph = fold(net, weights)
    with pytest.raises(NetworkError, match="expected finite ones"):
        make_plan(graph, calibrate(graph, bytes_of(net)))


def test_dead_units_get_a_step_that_kernels_take():
    """LiteRT ends the process where a step is 1e-12: the relu here answers 0 to every picture."""
    net, weights = network(
        Rescale(scale=1 / 255, offset=-2.0), Normalise(epsilon=0.5), RELU,
        Residual(layers=(Normalise(epsilon=0.5), RELU, Activation(kind="tanh"))), Flatten(), Dense(units=3),
    )  # fmt: skip
    graph, plan = quantised(net, weights)
    assert min(grid.scale for grid in plan.grids.values()) > 1e-6
    expected = NumpyPredictor(Bundle(net=net, weights=weights, labels=[], card={}))(bytes_of(net))
    found = LiteRTPredictor(litert_model(graph, plan))(bytes_of(net))
    assert np.abs(found - expected).max() <= 0.02 * np.abs(expected).max()


def test_weights_that_are_not_finite_are_refused_by_name():
    net, weights = network(Rescale(scale=1 / 255), Conv(filters=2))
    weights["conv1.bias"][1] = np.nan
    with pytest.raises(NetworkError, match=r"conv1\.bias"):
        fold(net, weights)


def test_calibration_needs_samples_and_counts_them():
    net, weights = network(Rescale(scale=1 / 255), Conv(filters=2))
    graph, done = fold(net, weights), []
    with pytest.raises(DataError, match="0 calibration samples"):
        calibrate(graph, bytes_of(net, 0))
    ranges = calibrate(graph, bytes_of(net, 40), on_done=done.append)
    assert done == pytest.approx([0.2, 0.4, 0.5, 0.7, 0.9, 1.0])
    assert set(ranges) == {"value2"}
    assert INPUT not in ranges


def classifier(folder, common=0.0):
    """Write a bundle that sorts pictures by their brighter half; `common` is added to both logits."""
    net = Net(name="halves", input_shape=(4, 4, 1), layers=(Rescale(scale=1 / 64, offset=-2.0), Flatten(), Dense(units=2)),
              loss=SoftmaxCrossEntropy())  # fmt: skip
    kernel = np.zeros((16, 2), np.float32)
    kernel[:8, 0] = kernel[8:, 1] = 0.1
    weights = {"dense1.kernel": kernel, "dense1.bias": np.full(2, common, np.float32)}
    return write_bundle(folder, Bundle(net=net, weights=weights, labels=["top", "bottom"], card={}))


def pictures(count=400):
    x = np.random.default_rng(5).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8)
    return x, (x[:, 2:].sum((1, 2, 3), dtype=int) > x[:, :2].sum((1, 2, 3), dtype=int)).astype(np.int64)


def test_every_export_is_judged_and_kept_with_its_figures(tmp_path):
    folder, (x, y) = classifier(tmp_path), pictures()
    events = []
    found = export_bundle(
        folder, ["onnx", "litert", "openvino"], ["float32", "int8"], x[:100], x, y, on_event=events.append
    )
    assert [e.name for e in found] == [
        "onnx-float32", "litert-float32", "openvino-float32", "onnx-int8", "litert-int8", "openvino-int8",
    ]  # fmt: skip
    for export in found:
        assert export.kept
        assert export.n == 400
        assert export.agreement >= 0.98
        assert export.reference_accuracy >= 0.99
        low, high = export.interval.low, export.interval.high
        assert low is not None
        assert high is not None
        assert low < export.difference < high
        assert export.size_bytes == sum((folder / "exports" / file).stat().st_size for file in export.files)
        outputs = open_predictor(folder, export.runtime, export.precision)(x)
        assert (outputs.argmax(1) == y).mean() == export.accuracy
    record = json.loads((folder / "exports" / "exports.json").read_text())
    assert list(record["exports"]) == sorted(e.name for e in found)
    assert record["exports"]["litert-int8"]["accuracy"] == found[4].accuracy
    assert events[-1].done == events[-1].total == 100
    assert {e.phase for e in events} == {"judging", "calibrating"}


def test_an_export_worse_than_the_margin_is_refused_with_both_figures_and_not_kept(tmp_path):
    folder, (x, y) = classifier(tmp_path, common=0.0), pictures()
    export_bundle(folder, ["litert"], ["int8"], x[:100], x, y)
    assert (folder / "exports/litert-int8.tflite").exists()
    # Under a large common part int8 cannot tell the two logits apart: a step is then larger than their difference.
    classifier(tmp_path, common=1000.0)
    found = export_bundle(folder, ["litert", "onnx"], ["float32", "int8"], x[:100], x, y)
    kept = {e.name: e.kept for e in found}
    assert kept == {"litert-float32": True, "onnx-float32": True, "litert-int8": False, "onnx-int8": False}
    refused = next(e for e in found if e.name == "litert-int8")
    assert refused.accuracy < 0.7 < 0.97 < refused.reference_accuracy
    assert refused.files == ()
    assert not refused.shown
    assert not (folder / "exports/litert-int8.tflite").exists()
    stored = read_exports(folder)["litert-int8"]
    assert (stored["kept"], stored["accuracy"]) == (False, refused.accuracy)
    assert stored["reference_accuracy"] == refused.reference_accuracy


@pytest.mark.parametrize(("lost", "kept"), [(0, True), (1, True), (2, False)])
def test_one_sample_of_few_is_not_worse_than_the_margin(lost, kept):
    truth = np.zeros(20, np.int64)
    reference = np.tile([1.0, 0.0], (20, 1))
    found = reference.copy()
    found[:lost] = [0.0, 1.0]
    judged = _judge("onnx", "int8", [b"file"], reference, found, truth == 0, truth, margin=0.01)
    assert judged.kept is kept
    assert judged.difference == pytest.approx(-lost / 20)


def test_exports_of_other_weights_do_not_stay(tmp_path):
    folder, (x, y) = classifier(tmp_path), pictures()
    export_bundle(folder, ["litert", "onnx"], ["float32"], x[:0], x, y)
    assert set(read_exports(folder)) == {"litert-float32", "onnx-float32"}
    export_bundle(folder, ["litert"], ["int8"], x[:100], x, y)
    assert set(read_exports(folder)) == {"litert-float32", "litert-int8", "onnx-float32"}
    classifier(tmp_path, common=1.0)
    assert read_exports(folder) == {}
    export_bundle(folder, ["onnx"], ["float32"], x[:0], x, y)
    assert set(read_exports(folder)) == {"onnx-float32"}
    assert sorted(p.name for p in (folder / "exports").iterdir()) == ["exports.json", "onnx-float32.onnx"]


def test_few_samples_keep_an_export_but_show_little(tmp_path):
    folder, (x, y) = classifier(tmp_path), pictures(30)
    (found,) = export_bundle(folder, ["litert"], ["float32"], x[:0], x, y)
    assert found.kept
    assert not found.shown


def test_what_cannot_be_exported_is_said(tmp_path):
    folder, (x, y) = classifier(tmp_path), pictures()
    with pytest.raises(BundleError, match='did you mean "litert"'):
        export_bundle(folder, ["litrt"], ["int8"], x, x, y)
    with pytest.raises(BundleError, match='did you mean "int8"'):
        export_bundle(folder, ["litert"], ["int4"], x, x, y)
    with pytest.raises(BundleError, match="0 samples"):
        export_bundle(folder, ["litert"], ["int8"], x, x[:0], y[:0])
    with pytest.raises(NetworkError, match="only a classifier"):
        decisions(np.zeros((2, 3, 3, 1)))
    assert decisions(np.array([[0.5], [-0.5]])).tolist() == [1, 0]
    (folder / "exports").mkdir()
    (folder / "exports" / "exports.json").write_text('{"format": "quintet-exports", "version": 7, "exports": {}}')
    with pytest.raises(BundleError, match="version 7, expected version 1"):
        read_exports(folder)
    (folder / "exports" / "exports.json").write_text("[]")
    with pytest.raises(BundleError, match="export again"):
        read_exports(folder)


def test_what_was_read_back_is_what_was_written(tmp_path):
    folder = classifier(tmp_path)
    bundle = read_bundle(folder)
    x, y = pictures()
    outputs = NumpyPredictor(bundle)(x)
    assert (outputs.argmax(1) == y).mean() > 0.99


@st.composite
def networks(draw):
    """Draw a small network of any layers in any order that fits."""
    layers, height, width, channels = [], draw(st.integers(5, 9)), draw(st.integers(5, 9)), draw(st.integers(1, 3))
    shape = (height, width, channels)
    if draw(st.booleans()):
        layers.append(
            Rescale(scale=draw(st.sampled_from([1 / 255, 1 / 64])), offset=draw(st.sampled_from([0.0, -2.0, -0.3])))
        )
    stride = st.sampled_from([(1, 1), (2, 1), (2, 2)])
    plain = st.one_of(
        st.just(BatchNorm()),
        st.sampled_from(ACTIVATIONS).map(lambda kind: Activation(kind=kind)),
        st.just(RELU),
        st.just(Normalise(epsilon=0.5)),  # a smaller one makes a sign of a channel, which any rounding turns
        st.just(Rescale(scale=0.7, offset=0.1)),
    )
    convolution = st.builds(
        Conv,
        filters=st.integers(1, 4),
        kernel=st.sampled_from([(3, 3), (1, 1), (2, 3)]),
        stride=stride,
        padding=st.sampled_from(["same", "same", "valid"]),
        bias=st.booleans(),
    )
    pool = st.one_of(
        st.builds(MaxPool, size=st.just((2, 2)), stride=stride),
        st.builds(AveragePool, size=st.just((2, 1)), stride=stride),
    )
    around = st.builds(
        Residual,
        layers=st.lists(plain, max_size=3).map(tuple),
        shortcut=st.lists(plain, max_size=1).map(tuple),
    )
    layers += draw(st.lists(st.one_of(convolution, plain, pool, around), max_size=6))
    layers += draw(
        st.sampled_from([[], [Flatten()], [Flatten(), Dense(units=3)], [GlobalAveragePool(), Dense(units=3)]])
    )
    layers += draw(st.lists(plain, max_size=2))
    try:
        return network(*layers, shape=shape)
    except NetworkError:
        assume(False)
        raise


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(drawn=networks())
def test_any_network_is_folded_exactly(drawn):
    folded(*drawn)
