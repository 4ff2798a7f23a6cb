# SPDX-License-Identifier: Apache-2.0
"""Rows with cells that no design has: refused in one line, or counted, never dropped and never a traceback."""

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hwsim.validate import TABLES, read_rows, recognise
from hwsim.validate.__main__ import main

LAYER = "dataset,design,topology,layer_type,n_in,n_out,seq_len,weight_bits,precision_note,reuse_factor,strategy,io_type"
ESTIMATES = "clk_target_ns,lat_max_cycles,ii_max_cycles,lut,ff,dsp,bram18"
SYNTH = (
    f"{LAYER},{ESTIMATES}",
    "made,a,,dense,48,16,,8,lecun_uniform,96,resource,,5,98,96,9000,700,8,4",
    "made,b,,dense,48,16,,8,lecun_uniform,768,latency,,5,98,96,9000,700,8,4",
    "made,c,,dense,48,16,,6,lecun_uniform,1,resource,,5,98,96,9000,700,8,4",
    "made,d,,conv1d_k3,8,8,200,16,,24,not stated,,4,98,96,9000,700,8,4",
    "made,Vitis 2024.1 x-elu,dense 1->64 + activation in name,tiny network,,,,,,1,,io_parallel,5,3,1,9,9,59,32",
    'made,e,"dense(40->20,rf2) -> dense(20->4,rf2)",network,,,,,"input_t=ap_fixed<8,2>; weight2_t=ap_fixed<8,1>; '
    'weight5_t=ap_fixed<8,1>",2,latency,io_parallel,3.33,25,2,20000,4000,0,4',
)
PROJECTS = (
    "project,topology,reuse_factors,strategies,io_type,weight_types,nnz,clk_target_ns,lat_max,ii_max,hls_lut,hls_ff,"
    "hls_dsp,hls_bram18",
    'a/b/c,"dense(20->10,rf1) -> dense(10->4,rf1)",1,latency,io_parallel,"input_t=ap_fixed<6,2>; '
    'weight2_t=ap_fixed<8,1>; weight5_t=ap_fixed<7,2>","150,40",5,25,1,5000,4000,70,4',
)
UNITS = (
    "sweep,impl,type,weight_bits,input_bits,IFMC,IFMD,OFMC,K,PE,SIMD,lut,ff,latency_cycles_reported,cycles_formula",
    "pe,hls,4bit,4,4,64,8,64,4,8,64,13577,9559,3205,3200",
    "pe,rtl,xnor,1,1,64,8,64,4,8,64,1361,1063,3205,3200",
)
BOARDS = (
    "flow,network,board,clock_mhz,measured_latency_ms,measured_us_per_image_batch10000,measured_throughput,energy_uJ,"
    "dsp,config_file",
    "FINN (BNN-PYNQ HLS),cnvW2A2 CNV,Ultra96,300,1.622,387.55,2580,,,",
    "hls4ml,AD08: MLP 64-72-8-64 RF 144,pynq-z2,100,0.019,,53365,30,,",
)
LAYERS = (
    "board,benchmark,name,type,k,use_dsp,rows_in,cols_in,ch_in,rows_out,cols_out,ch_out,stride,groups,coarse_in,"
    "coarse_out,coarse_group,fine",
    "zc706,ic,Conv_1,CONVOLUTION,3x3,True,8,8,4,4,4,8,2,1,1,2,1,3",
    "zc706,ic,Split_2,SPLIT,,,4,4,8,4,4,8,,,2,2,,",
    "zc706,ic,Add_3,ELTWISE,,,4,4,8,4,4,8,,,2,2,,",
)
PRODUCTS = ("M,N,K,array_rows,array_cols,dataflow,cycles", "64,32,16,8,8,ws,1000", "64,32,16,8,8,os,1000")
CELLS = ("", "nan", "0", "-3", "2.5", "inf", "1e300", "many", "0x10", "dense(0->0,rf0)", "ap_fixed<0,0>", "3x")


@pytest.mark.parametrize("lines", [SYNTH, PROJECTS, UNITS, BOARDS, LAYERS, PRODUCTS], ids=lambda lines: lines[0][:12])
def test_any_cell_may_be_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: tuple[str, ...]) -> None:
    path, out = tmp_path / "table.csv", tmp_path / "out.json"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = read_rows(path)
    names = list(rows.texts)
    for column, cell in product(names, CELLS):
        # The cell is wrong in every row: as text, quoted where it holds commas.
        table = [",".join(names)]
        for index in range(len(rows)):
            cells = [cell if name == column else str(rows.text(name)[index]) for name in names]
            table.append(",".join(f'"{one}"' for one in cells))
        path.write_text("\n".join(table) + "\n", encoding="utf-8")
        code = main([str(path), "--json", str(out)])
        said = capsys.readouterr()
        if code == 0:
            assert counted(out) == stated(path), (column, cell)
        else:
            assert (code, said.err.count("\n"), column in said.err) == (2, 1, True), (column, cell, said.err)


def counted(out: Path) -> int:
    """Values of the table that a file of scores speaks of, predicted or not."""
    text = out.read_text(encoding="utf-8")
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return sum(score["n"] + score["unpredicted"] for slices in found.values() for score in slices.values())


def stated(path: Path) -> int:
    """Values that the table states."""
    rows = read_rows(path)
    truth = recognise(rows, TABLES).truth(rows)
    return int(sum(np.isfinite(column).sum() for column in truth.values()))


def test_layers_that_do_not_fit_together_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "layers.csv"
    path.write_text("\n".join(LAYERS).replace("Conv_1,CONVOLUTION,3x3,True,8", "Conv_1,CONVOLUTION,3x3,True,0") + "\n")
    assert main([str(path)]) == 0
    assert "zc706/ic: not predicted, sizes of Conv_1 are not whole numbers" in capsys.readouterr().out


def test_weights_wider_than_any_seen_cost_what_the_widest_do(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    wide = [SYNTH[3].replace(",6,lecun", f",{bits},lecun") for bits in (18, 40)]
    path.write_text("\n".join((SYNTH[0], *wide)) + "\n", encoding="utf-8")
    rows = read_rows(path)
    found = recognise(rows, TABLES).predict(rows)["dsp"].value
    assert found[0] == found[1] > 0.9 * 48 * 16
