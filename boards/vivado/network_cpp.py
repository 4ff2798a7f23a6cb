# SPDX-License-Identifier: Apache-2.0
"""C++ around an hls4ml network: AXI4-Streams of plain bits, so that their packing is ours and not the compiler's.

How HLS packs a struct into a stream differs between Vivado HLS and Vitis HLS (AMD UG1399, "Structs in the Interface");
a stream of ap_uint does not. The first lane is in the low bits, as in emitted SystemVerilog.
"""

from boards.manifest import Port
from boards.vivado.accelerator import Accelerator
from boards.vivado.shell import data_bits
from hls.project import PROJECT_NAME
from hwsim.fixed import FixedPoint

TOP = "network"

_STREAM = """\
static void take(hls::stream<in_beat> &s_axis, hls::stream<input_t> &values) {{
    input_t value;
    unsigned part = 0;
    for (unsigned n = 0; n < {in_beats}; n++) {{
        #pragma HLS PIPELINE II=1
        in_beat beat = s_axis.read();
        for (unsigned i = 0; i + {in_lanes} < {in_size}; i++) {{
            #pragma HLS UNROLL
            value[i] = value[i + {in_lanes}];
        }}
        for (unsigned lane = 0; lane < {in_lanes}; lane++) {{
            #pragma HLS UNROLL
            value[{in_size} - {in_lanes} + lane].range({in_width} - 1, 0) =
                beat.range({in_width} * lane + {in_width} - 1, {in_width} * lane);
        }}
        part = part == {in_parts} - 1 ? 0 : part + 1;
        if (part == 0) values.write(value);
    }}
}}

static void give(hls::stream<result_t> &results, hls::stream<out_beat> &m_axis) {{
    result_t value;
    unsigned part = 0;
    for (unsigned n = 0; n < {out_beats}; n++) {{
        #pragma HLS PIPELINE II=1
        if (part == 0) value = results.read();
        out_beat beat = 0;
        for (unsigned lane = 0; lane < {out_lanes}; lane++) {{
            #pragma HLS UNROLL
            beat.range({out_width} * lane + {out_width} - 1, {out_width} * lane) =
                value[lane].range({out_width} - 1, 0);
        }}
        for (unsigned i = 0; i + {out_lanes} < {out_size}; i++) {{
            #pragma HLS UNROLL
            value[i] = value[i + {out_lanes}];
        }}
        part = part == {out_parts} - 1 ? 0 : part + 1;
        m_axis.write(beat);
    }}
}}
"""
_STREAM_BODY = """\
    hls::stream<input_t> values("values");
    #pragma HLS STREAM variable=values depth=2
    hls::stream<result_t> results("results");
    #pragma HLS STREAM variable=results depth=2
"""
_PARALLEL = """\
static void take(hls::stream<in_beat> &s_axis, input_t values[{in_values}]) {{
    for (unsigned n = 0; n < {in_beats}; n++) {{
        #pragma HLS PIPELINE II=1
        in_beat beat = s_axis.read();
        for (unsigned lane = 0; lane < {in_lanes}; lane++) {{
            #pragma HLS UNROLL
            values[{in_lanes} * n + lane].range({in_width} - 1, 0) =
                beat.range({in_width} * lane + {in_width} - 1, {in_width} * lane);
        }}
    }}
}}

static void give(result_t results[{out_values}], hls::stream<out_beat> &m_axis) {{
    for (unsigned n = 0; n < {out_beats}; n++) {{
        #pragma HLS PIPELINE II=1
        out_beat beat = 0;
        for (unsigned lane = 0; lane < {out_lanes}; lane++) {{
            #pragma HLS UNROLL
            beat.range({out_width} * lane + {out_width} - 1, {out_width} * lane) =
                results[{out_lanes} * n + lane].range({out_width} - 1, 0);
        }}
        m_axis.write(beat);
    }}
}}
"""
_PARALLEL_BODY = """\
    input_t values[{in_values}];
    #pragma HLS ARRAY_PARTITION variable=values complete dim=0
    result_t results[{out_values}];
    #pragma HLS ARRAY_PARTITION variable=results complete dim=0
"""


def text(accelerator: Accelerator) -> str:
    """The C++ of :data:`TOP`, a free-running function: it takes an image as soon as there is one."""
    streamed = accelerator.io_type == "io_stream"
    numbers = {**_numbers("in", accelerator.input), **_numbers("out", accelerator.output)}
    functions = (_STREAM if streamed else _PARALLEL).format(**numbers)
    body = (_STREAM_BODY if streamed else _PARALLEL_BODY).format(**numbers)
    return f"""\
// Network {accelerator.network_hash} between AXI4-Streams of plain bits.
#include "firmware/{PROJECT_NAME}.h"

typedef ap_uint<{data_bits(accelerator.input)}> in_beat;
typedef ap_uint<{data_bits(accelerator.output)}> out_beat;

{functions}
void {TOP}(hls::stream<in_beat> &s_axis, hls::stream<out_beat> &m_axis) {{
    #pragma HLS INTERFACE axis port=s_axis
    #pragma HLS INTERFACE axis port=m_axis
    #pragma HLS INTERFACE ap_ctrl_none port=return
    #pragma HLS DATAFLOW
{body}    take(s_axis, values);
    {PROJECT_NAME}(values, results);
    give(results, m_axis);
}}
"""


def _numbers(end: str, port: Port) -> dict[str, int]:
    width = FixedPoint.parse(port.format).width
    return {
        f"{end}_beats": port.beats,
        f"{end}_lanes": port.lanes,
        f"{end}_width": width,
        f"{end}_values": port.beats * port.lanes,
        f"{end}_size": port.image[0],
        f"{end}_parts": port.image[0] // port.lanes,
    }
