// SPDX-License-Identifier: Apache-2.0
// Drives the AXI4-Streams of a verilated top; compiled with it into one shared library and called through ctypes.
#include <cstdint>
#include <cstring>

#include "Vtop.h"
#include "verilated.h"

namespace {

struct Sim {
  VerilatedContext context;
  Vtop top{&context};
};

void clock_low(Vtop& top) { top.aclk = 0; top.eval(); }
void clock_high(Vtop& top) { top.aclk = 1; top.eval(); }

// xorshift32: stalls must be reproducible, nothing more.
uint32_t next(uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

}  // namespace

double sc_time_stamp() { return 0; }

// Runs `beats_in` beats through the design and collects `beats_out`.
//   in, out          beats of in_bytes and out_bytes, little endian, as TDATA is
//   in_cycle, out_cycle   the cycle in which each beat was handed over
//   last             TLAST of each beat out
//   idle, stall      probability in 1/65536 that the source pauses between beats, that the sink is not ready
//   patience         cycles without a beat on either side after which the design counts as stuck
// Returns the number of beats that came out: less than `beats_out` where it got stuck.
extern "C" uint64_t slimfab_run(const uint8_t* in, uint64_t beats_in, uint64_t in_bytes, uint64_t* in_cycle,
                                uint8_t* out, uint64_t beats_out, uint64_t out_bytes, uint64_t* out_cycle,
                                uint8_t* last, uint32_t idle, uint32_t stall, uint32_t seed, uint64_t patience) {
  Sim* sim = new Sim;
  Vtop& top = sim->top;
  top.aresetn = 0;
  top.s_axis_tvalid = 0;
  top.m_axis_tready = 0;
  for (int i = 0; i < 4; ++i) { clock_low(top); clock_high(top); }
  top.aresetn = 1;

  uint64_t taken = 0, given = 0, moved = 0;
  uint32_t state = seed | 1;
  bool offered = false;
  for (uint64_t cycle = 0; given < beats_out && cycle - moved < patience; ++cycle) {
    if (!offered && taken < beats_in && (next(state) & 0xffff) >= idle) {
      std::memcpy(static_cast<void*>(&top.s_axis_tdata), in + taken * in_bytes, in_bytes);
      offered = true;  // AXI4-Stream: once offered, a beat stays
    }
    top.s_axis_tvalid = offered;
    top.m_axis_tready = (next(state) & 0xffff) >= stall;
    clock_low(top);
    const bool enters = offered && top.s_axis_tready;
    if (top.m_axis_tvalid && top.m_axis_tready) {
      std::memcpy(out + given * out_bytes, static_cast<const void*>(&top.m_axis_tdata), out_bytes);
      out_cycle[given] = cycle;
      last[given++] = top.m_axis_tlast;
      moved = cycle;
    }
    clock_high(top);
    if (enters) {
      in_cycle[taken++] = cycle;
      offered = false;
      moved = cycle;
    }
  }
  top.final();
  delete sim;
  return given;
}
