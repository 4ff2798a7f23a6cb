# SPDX-License-Identifier: Apache-2.0
"""Tables of hls4ml designs: which rows are covered, what their cells mean, and their slices."""

from pathlib import Path

import numpy as np
import pytest

from hwsim.fpga.hls4ml_mlp import assumed_nonzero, cost
from hwsim.fpga.hls4ml_streamed import StreamedLayers
from hwsim.fpga.hls4ml_streamed import cost as streamed_cost
from hwsim.validate.hls4ml_projects import HLS4ML_PROJECTS, mlps, networks
from hwsim.validate.hls4ml_synth import HLS4ML_SYNTH, dense_layers
from hwsim.validate.hls4ml_synth import mlps as network_rows
from hwsim.validate.rows import Rows, read_rows
from hwsim.validate.scores import scores

LAYERS = """\
dataset,design,topology,layer_type,n_in,n_out,seq_len,weight_bits,precision_note,reuse_factor,strategy,io_type,\
clk_target_ns,lat_max_cycles,ii_max_cycles,lut,ff,dsp,bram18
made,a,,dense,48,16,,8,lecun_uniform,96,resource,,5,98,96,9000,700,8,4
made,b,,dense,48,16,,8,lecun_uniform,1,resource,,5,1,2,20000,3000,90,0
made,c,,dense,48,16,,8,lecun_uniform,768,latency,,5,99,100,20000,3000,1,0
made,d,,dense,48,16,,8,trained,96,resource,,5,98,96,9000,700,8,4
made,e,,conv1d,48,16,,8,,1.0,not stated,,5,9,,9000,700,8,4
made,x/LUT_reuse2,"dense(40->20,rf2) -> dense(20->4,rf2)",network,,,,,"input_t=ap_fixed<8,2>; weight2_t=ap_fixed<8,1>; \
weight5_t=ap_fixed<8,1>",2,latency,io_parallel,3.33,25,2,20000,4000,0,4
"""
PROJECTS = """\
project,topology,reuse_factors,strategies,io_type,weight_types,nnz,clk_target_ns,lat_max,ii_max,hls_lut,hls_ff,hls_dsp,\
hls_bram18
x/one/p/DSP_reuse1,"dense(20->10,rf1) -> dense(10->4,rf1)",1,latency,io_parallel,\
"input_t=ap_fixed<6,2>; weight2_t=ap_fixed<8,1>; weight5_t=ap_fixed<7,2>","150,40",5,25,1,5000,4000,70,4
x/one/p/LUT_reuse2,"dense(20->10,rf2) -> dense(10->4,rf2)",2,latency,io_parallel,\
"input_t=ap_fixed<6,2>; weight2_t=ap_fixed<8,1>; weight5_t=ap_fixed<7,2>","150,40",3.33,25,2,5000,4000,0,4
x/two/p/r,"dense(20->10,rf2)",2,resource,io_parallel,"input_t=ap_fixed<6,2>; weight2_t=ap_fixed<8,1>",\
150,5,25,2,50,40,0,4
x/two/p/s,"conv2d(8x8) -> dense(10->4,rf2)",2,latency,io_stream,,,5,25,2,5000,4000,0,4
x/two/p/t,"dense(20->10,rf2)",2,latency,io_parallel,"input_t=ap_fixed<6,2>; weight2_t=ap_fixed<8,1>",,5,25,2,50,40,0,4
"""


def rows(folder: Path, text: str) -> Rows:
    path = folder / "table.csv"
    path.write_text(text, encoding="utf-8")
    return read_rows(path)


def test_layers_with_drawn_weights_are_covered(tmp_path: Path) -> None:
    known, layers = dense_layers(rows(tmp_path, LAYERS))
    assert known.tolist() == [True, True, True, False, False, False]
    assert layers.reuse.tolist() == [96, 1, 1023]  # the latency strategy keeps what was written
    np.testing.assert_allclose(layers.weight_limit, 32)  # sqrt(3 / 48) of 128


def test_strategies_may_have_capitals(tmp_path: Path) -> None:
    small = HLS4ML_SYNTH.predict(rows(tmp_path, LAYERS))["lut"].value
    table = rows(tmp_path, LAYERS.replace(",resource,", ",Resource,").replace(",latency,", ",Latency,"))
    assert HLS4ML_SYNTH.slices(table).tolist()[0] == "made/resource"
    np.testing.assert_array_equal(HLS4ML_SYNTH.predict(table)["lut"].value, small)
    projects = rows(tmp_path, PROJECTS.replace(",latency,", ",Latency,"))
    assert mlps(projects)[0].tolist() == [True, True, False, False, True]


def test_layers_with_a_missing_number_are_counted(tmp_path: Path) -> None:
    lines = LAYERS.splitlines()
    table = rows(tmp_path, f"{lines[0]}\n{lines[1].replace(',48,', ',,')}\n")
    assert scores(HLS4ML_SYNTH, table)["made/resource"]["dsp"].unpredicted == 1


def test_layer_slices_go_by_strategy(tmp_path: Path) -> None:
    table = rows(tmp_path, LAYERS)
    assert HLS4ML_SYNTH.slices(table).tolist() == [
        "made/resource", "made/rf1", "made/latency", "made/resource", "made/conv1d",
        "made/latency",
    ]  # fmt: skip
    result = scores(HLS4ML_SYNTH, table)
    assert (result["made/resource"]["ii"].n, result["made/resource"]["ii"].unpredicted) == (1, 1)
    assert result["made/resource"]["ii"].exact == 1.0
    assert (result["made/conv1d"]["lut"].n, result["made/conv1d"]["lut"].unpredicted) == (0, 1)


@pytest.mark.parametrize("layer", ["dense,64,16,,16,,30", "conv1d_k3,8,8,200,16,,24", "lstm,8,4,10,16,,16"])
def test_layers_of_no_stated_strategy_fold_their_weights(tmp_path: Path, layer: str) -> None:
    head, *_ = LAYERS.splitlines()
    kind, n_in, n_out, length, bits, _, reuse = layer.split(",")
    asked = f"made,s,,{layer},not stated,not stated,4,9,,9,9,9,9"
    result = HLS4ML_SYNTH.predict(rows(tmp_path, f"{head}\n{asked}\n"))
    numbers = (np.array([float(text or "nan")]) for text in (n_in, n_out, length, bits, reuse))
    for metric, figure in streamed_cost(StreamedLayers(kind, *numbers)).items():
        assert result[metric].value.tolist() == figure.value.tolist(), metric


def test_layers_of_no_stated_strategy_ask_for_the_reuse_in_their_name(tmp_path: Path) -> None:
    head, *_ = LAYERS.splitlines()
    line = "made,{name},,conv1d_k3,1,16,128,16,,1,not stated,not stated,4,135,,9867,2062,26,0"
    table = rows(tmp_path, "\n".join((head, line.format(name="x rf1"), line.format(name="x rf2"))) + "\n")
    found = HLS4ML_SYNTH.predict(table)
    # github:HeRCLab/N-TORC: 135 and 1040 cycles, 26 DSP blocks in both
    np.testing.assert_allclose(found["cycles"].value, [135, 1040], rtol=0.01)
    assert found["dsp"].value[0] == found["dsp"].value[1] == pytest.approx(26, rel=0.25)


@pytest.mark.parametrize(
    ("design", "io_type", "dsp", "bram18", "cycles", "ii"),
    [
        # github:fastmachinelearning/hls4ml, test/pytest/baselines, test_keras_api_test_activations
        ("Vivado 2020.1 x-Vivado-elu", "io_parallel", 62, 32, 2, 1),
        ("Vitis 2024.1 x-Vitis-elu", "io_parallel", 59, 32, 3, 1),
        ("Vitis 2024.1 x-Vitis-relu", "io_parallel", 58, 0, 0, 1),
        ("Vitis 2023.1 x-Vitis-sigmoid", "io_stream", 58, 32, 4, 4),
        ("Vivado 2020.1 x-Vivado-prelu", "io_stream", 58, 0, 2, 1),
    ],
)
def test_regression_baselines(
    tmp_path: Path, design: str, io_type: str, dsp: int, bram18: int, cycles: int, ii: int
) -> None:
    head, *_ = LAYERS.splitlines()
    row = f"made,{design},dense 1->64 + activation in name,tiny network,,,,,,1,,{io_type},5,"
    row += f"{cycles},{ii},9,9,{dsp},{bram18}"
    (found,) = scores(HLS4ML_SYNTH, rows(tmp_path, f"{head}\n{row}\n")).values()
    assert found["dsp"].within_error_bar == found["bram18"].exact == found["cycles"].exact == found["ii"].exact == 1.0
    assert found["lut"].unpredicted == 1


def test_networks_without_counted_weights_are_pruned_by_size(tmp_path: Path) -> None:
    table = rows(tmp_path, LAYERS)
    known, found = network_rows(table)
    assert known.tolist() == [False, False, False, False, False, True]
    assert found.nonzero.tolist() == assumed_nonzero(np.array([40.0, 20.0]), np.array([20.0, 4.0])).tolist()
    assert found.nonzero[0] / 800 < found.nonzero[1] / 80 < 1
    assert found.lut_multipliers.tolist() == [True]
    assert scores(HLS4ML_SYNTH, table)["made/latency"]["ff"].unpredicted == 0


def test_projects_of_dense_layers_are_covered(tmp_path: Path) -> None:
    known, found = mlps(rows(tmp_path, PROJECTS))
    assert known.tolist() == [True, True, False, False, True]
    assert found.design.tolist() == [0, 0, 1, 1, 2]
    assert found.n_in.tolist() == [20, 10, 20, 10, 20]
    # Nobody counted the weights of the last project.
    assert found.nonzero.tolist() == [150, 40, 150, 40, *assumed_nonzero(np.array([20.0]), np.array([10.0]))]
    assert found.weight_bits.tolist() == [8, 7, 8, 7, 8]
    assert found.weight_frac.tolist() == [7, 5, 7, 5, 7]
    assert found.input_bits.tolist() == [6, 6, 6, 6, 6]
    assert found.reuse.tolist() == [1, 1, 2, 2, 2]
    assert found.clock_ns.tolist() == [5, 3.33, 5]
    assert found.lut_multipliers.tolist() == [False, True, False]
    assert found.is_last.tolist() == [False, True, False, True, True]


def test_what_nobody_counted_has_wider_bars(tmp_path: Path) -> None:
    dsp = HLS4ML_PROJECTS.predict(rows(tmp_path, PROJECTS))["dsp"]
    width = dsp.high - dsp.value
    assert width[4] / dsp.value[4] > 2 * width[0] / dsp.value[0] > 0


def test_projects_in_the_resource_strategy(tmp_path: Path) -> None:
    head, *_ = PROJECTS.splitlines()
    # github:Gabriele-bot/ALVEO-PYNQ_ML, Qkeras_pruned_Dense
    row = (
        'x/mnist/p/d,"dense(784->140,rf28) -> dense(140->60,rf20) -> dense(60->10,rf20)","1,20,28,36",resource,'
        'io_parallel,"input_t=ap_ufixed<8,3>; weight3_t=ap_fixed<4,1>; weight6_t=ap_fixed<4,1>; '
        'weight9_t=ap_fixed<4,2>","27206,2099,150",2,74,28,155289,30990,10,418'
    )
    found = scores(HLS4ML_PROJECTS, rows(tmp_path, f"{head}\n{row}\n"))["hls4ml_projects/resource"]
    assert {metric: score.unpredicted for metric, score in found.items()} == dict.fromkeys(found, 0)
    assert found["ii"].exact == found["dsp"].exact == 1.0
    for metric in ("lut", "ff", "bram18", "cycles"):
        assert found[metric].within_error_bar == 1.0, metric


def test_project_groups_ignore_the_reuse_factor(tmp_path: Path) -> None:
    names = networks(rows(tmp_path, PROJECTS)).tolist()
    assert names[0] == names[1] == "dense(20->10) -> dense(10->4)"


def test_project_rows_without_a_model_are_counted(tmp_path: Path) -> None:
    table = rows(tmp_path, PROJECTS)
    result = scores(HLS4ML_PROJECTS, table)
    assert set(result) == {"hls4ml_projects/rf1", "hls4ml_projects/latency", "hls4ml_projects/resource"}
    assert (result["hls4ml_projects/latency"]["dsp"].n, result["hls4ml_projects/latency"]["dsp"].unpredicted) == (2, 1)
    _, found = mlps(table)
    lut = cost(found)["lut"].value[0]
    assert result["hls4ml_projects/rf1"]["lut"].smape == abs(lut - 5000) * 200 / (lut + 5000)


def test_a_table_without_any_covered_row(tmp_path: Path) -> None:
    lines = PROJECTS.splitlines()
    result = scores(HLS4ML_PROJECTS, rows(tmp_path, "\n".join([lines[0], lines[4]]) + "\n"))
    assert result["hls4ml_projects/latency"]["lut"].unpredicted == 1
    lines = LAYERS.splitlines()
    result = scores(HLS4ML_SYNTH, rows(tmp_path, "\n".join([lines[0], lines[5]]) + "\n"))
    assert result["made/conv1d"]["lut"].unpredicted == 1


def test_rows_outside_the_calibrated_range_are_reported(tmp_path: Path) -> None:
    (layers,) = HLS4ML_SYNTH.report(rows(tmp_path, LAYERS))
    # 48 inputs and 16 outputs are fewer than any regime has seen, a reuse factor of 96 is lower
    assert layers.startswith("dense layers: 3 outside the calibrated range, where error bars do not hold (n_in 2, ")
    projects, _ = HLS4ML_PROJECTS.report(rows(tmp_path, PROJECTS))
    assert projects == (
        "networks: 3 outside the calibrated range, where error bars do not hold (weight_bits 2, input_bits 3)"
    )
    inside = PROJECTS.replace("fixed<6,2>", "fixed<8,2>").replace("fixed<7,2>", "fixed<8,2>")
    assert [line for line in HLS4ML_PROJECTS.report(rows(tmp_path, inside)) if "calibrated" in line] == []


def test_projects_that_no_formula_is_for_are_named(tmp_path: Path) -> None:
    head, first, *_ = PROJECTS.splitlines()
    others = (first.replace("dense(", "gru(in6,units120) -> dense(", 1), first.replace("dense(", "conv2d(", 1))
    (line,) = HLS4ML_PROJECTS.report(rows(tmp_path, "\n".join((head, *others, others[0])) + "\n"))
    assert line == "not predicted: 1 with conv2d, 2 with gru; formulas are those of dense networks"
