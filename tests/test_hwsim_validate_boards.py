# SPDX-License-Identifier: Apache-2.0
"""Published board designs are found in rows and in the files they name; figures beside them are published ones."""

import json
from pathlib import Path

import numpy as np
import pytest

from hwsim import device
from hwsim.fpga.system import clock_mhz, fitted_start, transfers
from hwsim.validate import board_finn, board_hls4ml, read_rows, scores
from hwsim.validate.__main__ import main
from hwsim.validate.board_fpgaconvnet import design, layer_of_row, layers_of_partition
from hwsim.validate.boards import BOARDS, board_of, placed

HEAD = (
    "flow,network,board,clock_mhz,measured_latency_ms,measured_us_per_image_batch10000,measured_throughput,energy_uJ,"
    "dsp,config_file"
)
# github:mlcommons/tiny_results_v0.7 and github:Xilinx/BNN-PYNQ, notebooks
CNV_PYNQ = "FINN,CNV-w1a1 (FINN BNN-PYNQ CNV),pynq-z2,100,1.5118,,661.5,2530,,folding.json"
CNV_ULTRA96 = "FINN (BNN-PYNQ HLS),cnvW2A2 CNV,Ultra96 (inferred),300,1.622,387.55,2580,,,"
RN07 = (
    "hls4ml,RN07: 32x32x3 -> conv1x1x32 s1 -> conv4x4x4 s1 -> conv4x4x32 s1 -> conv4x4x32 s4 -> conv4x4x32 s1 -> "
    "flatten 2048 -> dense 10; io_stream Resource RF16384,{board},100,{latency},,36,,,"
)


def table(folder: Path, *rows: str) -> Path:
    path = folder / "boards.csv"
    path.write_text("\n".join((HEAD, *rows)) + "\n", encoding="utf-8")
    return path


def test_networks_of_the_table_are_predicted_within_the_bar(tmp_path):
    folding = {"Defaults": {}} | {
        f"StreamingFCLayer_Batch_{index}": {"PE": pe, "SIMD": simd}
        for index, (pe, simd) in enumerate((*board_finn.FOLDINGS["cnvw1a"][:-1], (5, 1)))
    }
    (tmp_path / "folding.json").write_text(json.dumps(folding), encoding="utf-8")
    path = table(tmp_path, CNV_PYNQ, CNV_ULTRA96, RN07.format(board="pynq-z2", latency=27.325),
                 RN07.format(board="arty-a7-100t", latency=33.18), "other,x,ZCU106,200MHz,0.37,,,,,")  # fmt: skip
    found = scores(BOARDS, read_rows(path))
    for name in ("FINN", "hls4ml"):
        latency = found[f"fpga_board_measurements/{name}"]["latency"]
        assert (latency.n, latency.unpredicted, latency.within_error_bar) == (2, 0, 1.0)
        assert latency.mape < 7
    assert found["fpga_board_measurements/FINN"]["ii"].mape < 1
    assert found["fpga_board_measurements/FINN"]["energy"].mape < 5
    assert found["fpga_board_measurements/other"]["latency"].unpredicted == 1


def test_without_a_folding_or_a_board_nothing_is_predicted(tmp_path):
    path = table(tmp_path, "FINN,UNSW MLP 600-64-64-1,pynq-z1,100,1,,,,,missing.json", CNV_PYNQ.replace("pynq-z2", "X"))
    assert list(placed(read_rows(path))) == [None, None]


def test_boards_are_known_by_the_beginning_of_their_names():
    assert board_of("Pynq-Z1/Z2").name == "pynq-z1"
    assert board_of("pynqz2").name == "pynq-z2"
    assert board_of("VCU128") is None
    assert board_of("cortex-a53") is None


def test_units_of_a_multilayer_perceptron_come_from_its_sizes():
    row = {"flow": "FINN", "network": "LFC 784(832 padded)-1024-1024-1024-10(64 padded)"}
    stages = board_finn.design(row, [])
    assert [stage.work for stage in stages.stages] == [416, 512, 512, 512]


def test_hls4ml_takes_the_nearest_legal_reuse_factor():
    assert board_hls4ml.legal_reuse(64, 72, 144) == 128
    assert board_hls4ml.legal_reuse(72, 72, 144) == 144
    assert board_hls4ml.legal_reuse(2048, 10, 16384) == 20480


def test_reuse_factors_by_layer_with_the_last_layer_last():
    layers = {f"q_dense_batchnorm{suffix}": {"ReuseFactor": 144} for suffix in ("", "_1", "_3", "_4")}
    layers |= {"q_dense": {"ReuseFactor": 72}, "q_dense_batchnorm_2": {"ReuseFactor": 8}, "q_activation": {}}
    row = {"flow": "hls4ml", "network": "AD08: MLP autoencoder 64-72-72-8-72-72-64"}
    found = board_hls4ml.design(row, [{"LayerName": layers}])
    assert [stage.work - 4 for stage in found.stages] == [128, 144, 8, 144, 144, 72]


def test_convolutions_of_a_training_file():
    training = {"model": {"filters": [32, 32], "kernels": [3, 3, 3], "strides": ["411"]}, "convert": {"ReuseFactor": 9}}
    found = board_hls4ml.design({"flow": "hls4ml", "network": "RN06"}, [training])
    assert [(stage.rows_out, stage.work - 4) for stage in found.stages] == [(8, 9), (8, 9), (8, 9), (1, 8)]


PARTITION = {
    "partition": [
        {
            "layers": [
                {
                    "name": "Conv_1", "type": "CONVOLUTION",
                    "parameters": {"rows_in": 8, "cols_in": 8, "channels_in": 4, "rows_out": 4, "cols_out": 4,
                                   "channels_out": 8, "stride_rows": 2, "groups": 1, "coarse_in": 1, "coarse_out": 2,
                                   "coarse_group": 1, "fine": 3, "kernel_rows": 3, "kernel_cols": 3},
                },
                {
                    "name": "Relu_2", "type": "ACTIVATION",
                    "parameters": {"rows_in": 4, "cols_in": 4, "channels_in": 8, "rows_out": 4, "cols_out": 4,
                                   "channels_out": 8, "coarse": 2},
                },
            ]
        }
    ]
}  # fmt: skip


def test_a_broken_file_predicts_nothing(tmp_path):
    (tmp_path / "broken.json").write_text('{"partition": [{"layers": [{"name": "x"}]}]}', encoding="utf-8")
    assert list(placed(read_rows(table(tmp_path, "fpgaConvNet,x,zc706,187,1,,,,,broken.json")))) == [None]


def test_layers_of_designs_are_reported(tmp_path, capsys):
    head = ("board,benchmark,name,type,k,use_dsp,rows_in,cols_in,ch_in,rows_out,cols_out,ch_out,stride,groups,"
            "coarse_in,coarse_out,coarse_group,fine")  # fmt: skip
    rows = (
        "zc706,ic,Conv_1,CONVOLUTION,3x3,True,8,8,4,4,4,8,2,1,1,2,1,3",
        "zc706,ic,Scale_2,BATCH_NORM,,,4,4,8,4,4,8,,,2,2,,",
    )
    path = tmp_path / "layers.csv"
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    assert main([str(path)]) == 0
    assert "zc706/ic: 2 layers, interval 768 cycles (Conv_1)" in capsys.readouterr().out


def test_layers_of_a_partition_file_are_those_of_a_table():
    layers = layers_of_partition(PARTITION)
    assert [layer.work for layer in layers] == [3 * 4 * 8 / 2, 4]
    row = {"name": "Conv_1", "type": "CONVOLUTION", "k": "3x3", "rows_in": "8", "cols_in": "8", "ch_in": "4",
           "rows_out": "4", "cols_out": "4", "ch_out": "8", "stride": "2", "groups": "1", "coarse_in": "1",
           "coarse_out": "2", "coarse_group": "", "fine": "3"}  # fmt: skip
    assert layer_of_row(row) == layers[0]
    assert all(layer_of_row(row | {"fine": cell}) is None for cell in ("0", "-1", "inf", "nan", "2.5", "many"))
    assert layer_of_row(row | {"k": "3x"}) is None
    assert design(layers).interval() == 16 * 48
    assert [layer.dsp for layer in layers] == [2 * 3, 0]
    assert design([]) is None
    assert layers_of_partition({"Defaults": {}}) == []


def test_the_start_is_fitted_and_outliers_do_not_draw_it():
    rest = np.array([10.0, 100.0, 1000.0])
    assert fitted_start(rest, rest + 8.0) == pytest.approx(8.0)
    assert fitted_start(rest, np.array([18.0, 108.0, 1500.0])) == pytest.approx(8.0, rel=0.1)
    assert fitted_start(rest, rest / 2) == 0.0


def test_copies_and_clocks():
    assert transfers("copied", 1024, 3, 10).before == 1024 * 78
    assert transfers("stream", 1024, 3, 10, 2.0).per_pixel == 1.5
    arty, pynq = device.load("arty-a7-100t"), device.load("pynq-z2")
    assert clock_mhz(arty, "copied", 100.0) == arty["memory_clock_mhz"]
    assert clock_mhz(arty, "stream", 100.0) == clock_mhz(pynq, "copied", 100.0) == 100.0
