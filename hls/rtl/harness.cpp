// SPDX-License-Identifier: Apache-2.0
// Drives a verilated top: its streams, its registers, its reset.  Compiled with it into one shared library and called
// through ctypes; hls/rtl_worker.py mirrors the signatures.
#include <cstdint>
#include <cstring>

#include "Vtop.h"
#include "verilated.h"

namespace {

constexpr int MAX_ANSWER_CYCLES = 1000;  // of an AXI4-Lite access

struct Sim {
  VerilatedContext context;
  Vtop top{&context};

  void clock_low() { top.aclk = 0; top.eval(); }
  void clock_high() { top.aclk = 1; top.eval(); }
};

// xorshift32: stalls must be reproducible, nothing more.
uint32_t next(uint32_t& state) {
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

}  // namespace

double sc_time_stamp() { return 0; }

extern "C" {

// One run of beats through the design.
struct Traffic {
  const uint8_t* in_beats;  // beats_in beats of in_bytes, little endian, as TDATA is
  uint64_t beats_in, in_bytes;
  uint64_t frame_in;    // beats per frame: TLAST stands on the last
  uint8_t* out_beats;   // room for beats_out beats of out_bytes
  uint64_t beats_out, out_bytes;
  uint64_t *in_cycle, *out_cycle;  // the cycle in which each beat was handed over
  uint8_t* last;        // TLAST of each beat out
  uint64_t patience;    // cycles without a beat on either side after which the design counts as stuck
  uint64_t until;       // cycles after which the run is broken off
  uint64_t taken, given;           // result: beats that went in, that came out
  uint64_t stall_in, stall_out;    // result: cycles in which a beat was offered but not taken
  uint64_t cycles;      // result: how many passed
  uint32_t idle, stall; // probability in 1/65536 that the source pauses between beats, that the sink is not ready
  uint32_t seed;
  uint32_t stop_at_last;  // whether the sink is ready no more once TLAST has come
};

// The design, its memories read from the present folder, not yet reset.
Sim* slimfab_new() {
  Sim* sim = new Sim;
  sim->top.aresetn = 0;
  sim->clock_low();
  return sim;
}

void slimfab_free(Sim* sim) {
  sim->top.final();
  delete sim;
}

// Holds aresetn low for some cycles, with nothing offered at any port.
void slimfab_reset(Sim* sim, uint64_t cycles) {
  Vtop& top = sim->top;
  top.aresetn = 0;
  top.s_axis_tvalid = top.m_axis_tready = 0;
  top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = top.s_axi_arvalid = top.s_axi_rready = 0;
  for (uint64_t i = 0; i < cycles; ++i) { sim->clock_low(); sim->clock_high(); }
  top.aresetn = 1;
}

void slimfab_stream(Sim* sim, Traffic* t) {
  Vtop& top = sim->top;
  t->taken = t->given = t->stall_in = t->stall_out = 0;
  uint64_t moved = 0;
  uint32_t state = t->seed | 1;
  bool offered = false, ended = false;
  uint64_t cycle = 0;
  for (; cycle < t->until && cycle - moved < t->patience; ++cycle) {
    if ((t->given == t->beats_out || ended) && t->taken == t->beats_in) break;
    if (!offered && t->taken < t->beats_in && (next(state) & 0xffff) >= t->idle) {
      std::memcpy(static_cast<void*>(&top.s_axis_tdata), t->in_beats + t->taken * t->in_bytes, t->in_bytes);
      top.s_axis_tlast = (t->taken + 1) % t->frame_in == 0;
      offered = true;  // AXI4-Stream: once offered, a beat stays
    }
    top.s_axis_tvalid = offered;
    top.m_axis_tready = t->given < t->beats_out && !ended && (next(state) & 0xffff) >= t->stall;
    sim->clock_low();
    const bool enters = offered && top.s_axis_tready;
    t->stall_in += offered && !enters;
    t->stall_out += top.m_axis_tvalid && !top.m_axis_tready;
    if (top.m_axis_tvalid && top.m_axis_tready) {
      std::memcpy(t->out_beats + t->given * t->out_bytes, static_cast<const void*>(&top.m_axis_tdata), t->out_bytes);
      t->out_cycle[t->given] = cycle;
      t->last[t->given++] = top.m_axis_tlast;
      ended = t->stop_at_last && top.m_axis_tlast;
      moved = cycle;
    }
    sim->clock_high();
    if (enters) {
      t->in_cycle[t->taken++] = cycle;
      offered = false;
      moved = cycle;
    }
  }
  t->cycles = cycle;
  top.s_axis_tvalid = top.m_axis_tready = 0;
}

// Lets cycles pass in which nothing is offered at any port and nothing is taken.
void slimfab_idle(Sim* sim, uint64_t cycles) {
  for (uint64_t i = 0; i < cycles; ++i) { sim->clock_low(); sim->clock_high(); }
}

// Reads a register. Returns its RRESP, or -1 where the design does not answer.
int slimfab_read(Sim* sim, uint32_t address, uint32_t* data) {
  Vtop& top = sim->top;
  top.s_axi_araddr = address;
  top.s_axi_arvalid = top.s_axi_rready = 1;
  for (int i = 0; i < MAX_ANSWER_CYCLES; ++i) {
    sim->clock_low();
    const bool asked = top.s_axi_arvalid && top.s_axi_arready, answered = top.s_axi_rvalid;
    const int response = top.s_axi_rresp;
    *data = top.s_axi_rdata;
    sim->clock_high();
    if (asked) top.s_axi_arvalid = 0;
    if (answered) { top.s_axi_rready = 0; return response; }
  }
  return -1;
}

// Writes the bytes of a register that `strobe` names. Returns BRESP, or -1 where the design does not answer.
int slimfab_write(Sim* sim, uint32_t address, uint32_t data, uint32_t strobe) {
  Vtop& top = sim->top;
  top.s_axi_awaddr = address;
  top.s_axi_wdata = data;
  top.s_axi_wstrb = strobe;
  top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = 1;
  for (int i = 0; i < MAX_ANSWER_CYCLES; ++i) {
    sim->clock_low();
    const bool address_taken = top.s_axi_awready, data_taken = top.s_axi_wready, answered = top.s_axi_bvalid;
    const int response = top.s_axi_bresp;
    sim->clock_high();
    if (address_taken) top.s_axi_awvalid = 0;
    if (data_taken) top.s_axi_wvalid = 0;
    if (answered) { top.s_axi_bready = 0; return response; }
  }
  return -1;
}

}  // extern "C"
