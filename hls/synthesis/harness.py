# SPDX-License-Identifier: Apache-2.0
"""A module with three pins around a unit, so that a clock frequency can be measured by place and route.

A unit has more ports than a chip has pins, and paths from and to pins would hide those between its registers. Here
every input comes out of a shift register and every output enters a register, so each path through the unit – also
one from input to output – lies between two registers. What was captured leaves as a running sum modulo two, bit by
bit, so that no output is optimised away.
"""

from collections.abc import Mapping

CLOCK = "aclk"
HARNESS = "harness"
INSIDE = "inside"  # the module in the harness, and its instance


def harness(ports: Mapping[str, tuple[str, int]]) -> str:
    """The Verilog text of the harness, with the module inside as an empty box.

    Args:
        ports: of the module inside: name → (direction, bits); the clock is called aclk.
    """
    inputs = {name: bits for name, (direction, bits) in ports.items() if direction == "input" and name != CLOCK}
    outputs = {name: bits for name, (direction, bits) in ports.items() if direction == "output"}
    fed, seen = sum(inputs.values()), sum(outputs.values())
    lines = [
        "(* blackbox *)",
        f"module {INSIDE} (",
        ",\n".join(f"  {direction} wire [{bits - 1}:0] {name}" for name, (direction, bits) in ports.items()),
        ");",
        "endmodule",
        f"module {HARNESS} (input wire clock, input wire in, output wire out);",
        f"  reg [{fed - 1}:0] feed;",
        f"  wire [{seen - 1}:0] outputs;",
        f"  reg [{seen - 1}:0] seen;",
        f"  reg [{seen}:0] sums;",
        "  always @(posedge clock) begin",
        "    feed <= {feed, in};",
        "    seen <= outputs;",
        f"    sums <= {{sums[{seen - 1}:0] ^ seen, 1'b0}};",
        "  end",
        f"  assign out = sums[{seen}];",
        f"  {INSIDE} {INSIDE} (",
        f"    .{CLOCK}(clock),",
        ",\n".join([*_connections("feed", inputs), *_connections("outputs", outputs)]),
        "  );",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _connections(vector: str, ports: Mapping[str, int]) -> list[str]:
    """Ports side by side in one vector."""
    found, first = [], 0
    for name, bits in ports.items():
        found.append(f"    .{name}({vector}[{first} +: {bits}])")
        first += bits
    return found
