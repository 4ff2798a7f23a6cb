# SPDX-License-Identifier: Apache-2.0
"""Networks as streaming pipelines on FPGAs: cycles and resources by formula, and the choice of the folding.

    stages.py     the pipeline of a network: one record per hardware stage
    resources.py  what multipliers, adders, memories and FIFOs occupy, as functions of arrays
    hls4ml.py     cycles and resources of hls4ml's stages           (target fpga:NAME)
    folded.py     cycles and resources of PE x SIMD stages          (target fpga:NAME/folded)
    dataflow/     exact cycles of the SystemVerilog units of hls/rtl
    outline/      the units of hls/rtl that a network becomes, without their contents
    counted.py    cycles of such a design, beat by beat
    tokens/       in which cycle every beat passes every FIFO between them
    units/        LUTs, flip-flops, DSP blocks and block RAM of single units, by their parameters
    stage_units.py   the units of PE x SIMD stages with their parameters, as arrays; stage_formats.py, casts.py
    pipeline.py   latency and interval of the stages together, to first order
    design_points.py   very many foldings at once
    hls4ml_dense.py, hls4ml_mlp.py, hls4ml_streamed.py   what HLS reports of hls4ml; hls_report.py quotes it
    constant_products.py   what HLS makes of products by constants; weights.py counts those of given weights
    linear.py     constants by least squares, judged on groups left out; calibrate_*.py apply it
    finn_mvu.py   FINN's matrix-vector units alone
    pixels.py     when every pixel leaves every stage
    system.py, power.py   what is around a pipeline on a board: copies, start, clock; switching energy
    folding/      how parallel each stage should be within a device, and what stands between and around stages
    assemble.py   from stages to an Estimate

All formulas take arrays, so that thousands of design points are one call.
"""
