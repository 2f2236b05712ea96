// A board in a library: an AXI DMA engine in simple mode, as PG021 has it, between a memory and the
// streams of a verilated core, with stalls on all of them, and the registers of that core. Each
// access to one takes some clocks. The processor's caches are the callers' business: what the
// engine reads and writes is `board_memory` alone.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "Vcore.h"
#include "verilated.h"

namespace {

// The memory, where the engine finds it: an address of more than 32 bits.
constexpr uint64_t BASE = 0x123400000, SIZE = 1 << 16;
uint8_t memory[SIZE];

// Bits of a channel's control, and of its status.
constexpr uint32_t RUN = 1, RESET = 4;
constexpr uint32_t HALTED = 1, IDLE = 2, INTERNAL = 0x10, DECODE = 0x40, DONE = 0x1000;

struct Channel {
    uint32_t control = 0, status = HALTED, length = 0;
    uint64_t address = 0;
    // Bytes that passed, of the transfer under way.
    uint32_t passed = 0;
    bool busy = false;

    void finish(uint32_t why) {
        busy = false;
        status |= why;
        // An error halts the channel.
        if (why & (INTERNAL | DECODE)) status |= HALTED;
    }

    void write(uint32_t offset, uint32_t value) {
        switch (offset) {
            case 0x00:
                control = value & RUN;
                status = value & RUN ? status & ~HALTED : status | HALTED;
                break;
            case 0x04: status &= ~(value & DONE); break;
            case 0x18: address = (address >> 32 << 32) | value; break;
            case 0x1c: address = (address & 0xffffffff) | (uint64_t{value} << 32); break;
            case 0x28:
                // Of a halted channel the length is not looked at.
                if (status & HALTED || busy) break;
                length = value & 0x3ffffff;
                passed = 0;
                busy = true;
                status &= ~IDLE;
                if (length == 0) return finish(INTERNAL);
                // There is no realignment.
                if (address % 8 || address < BASE || address + length > BASE + SIZE) finish(DECODE);
                break;
        }
    }

    uint32_t read(uint32_t offset) const {
        switch (offset) {
            case 0x00: return control;
            case 0x04: return status;
            case 0x28: return length;
            default: return 0;
        }
    }
};

struct Board {
    VerilatedContext context;
    Vcore core{&context};
    Channel send, receive;
    // Clocks until a reset of the engine is over.
    int reset = 0;
    // The answer to an access to the core's registers, once it is there.
    bool answered = false;
    uint32_t answer = 0;
    uint32_t noise = 1;

    Board() {
        core.aresetn = 0;
        core.frame_error_clear = 0;
        core.s_axis_tuser = 0;
        for (int i = 0; i < 4; ++i) clock();
        core.aresetn = 1;
    }

    // From one falling edge to the next.
    void clock() {
        noise ^= noise << 13, noise ^= noise >> 17, noise ^= noise << 5;
        // A word that is offered stays until it is taken.
        if (!core.s_axis_tvalid && send.busy && noise & 1) {
            core.s_axis_tdata = 0;
            const uint32_t rest = send.length - send.passed, bytes = rest < 8 ? rest : 8;
            std::memcpy(&core.s_axis_tdata, memory + (send.address - BASE) + send.passed, bytes);
            core.s_axis_tlast = rest <= 8;
            core.s_axis_tvalid = 1;
        }
        core.m_axis_tready = receive.busy && noise & 2;
        core.eval();
        const bool takes = core.s_axis_tvalid && core.s_axis_tready;
        const bool aw = core.s_axi_control_awready, w = core.s_axi_control_wready;
        const bool ar = core.s_axi_control_arready;
        const bool b = core.s_axi_control_bready && core.s_axi_control_bvalid;
        const bool r = core.s_axi_control_rready && core.s_axi_control_rvalid;
        if (b || r) answered = (b ? core.s_axi_control_bresp : core.s_axi_control_rresp) == 0;
        if (r) answer = core.s_axi_control_rdata;
        if (core.m_axis_tvalid && core.m_axis_tready) {
            const auto* bytes = reinterpret_cast<const uint8_t*>(&core.m_axis_tdata);
            for (int i = 0; i < 8; ++i) {
                if (!(core.m_axis_tkeep >> i & 1)) continue;
                // The buffer is too short for the packet.
                if (receive.passed == receive.length) {
                    receive.finish(INTERNAL);
                    break;
                }
                memory[receive.address - BASE + receive.passed++] = bytes[i];
            }
            if (receive.busy && core.m_axis_tlast) {
                receive.length = receive.passed;
                receive.finish(IDLE | DONE);
            }
        }
        for (const bool level : {true, false}) {
            core.aclk = level;
            core.eval();
        }
        if (takes) {
            core.s_axis_tvalid = 0;
            send.passed += 8;
            if (core.s_axis_tlast) send.finish(IDLE | DONE);
        }
        if (aw) core.s_axi_control_awvalid = 0;
        if (w) core.s_axi_control_wvalid = 0;
        if (ar) core.s_axi_control_arvalid = 0;
        if (reset > 0) --reset;
    }

    // Until the answer to an access that has begun; one that is refused has none.
    uint32_t wait() {
        core.s_axi_control_bready = core.s_axi_control_rready = 1;
        answered = false;
        for (int i = 0; i < 100 && !answered; ++i) clock();
        core.s_axi_control_bready = core.s_axi_control_rready = 0;
        if (!answered) std::abort();
        return answer;
    }

    void access() {
        for (uint32_t i = noise >> 28; i > 0; --i) clock();
        clock();
    }
};

Board board;

}  // namespace

extern "C" {

uint64_t board_base() { return BASE; }

uint8_t* board_memory() { return memory; }

uint32_t dma_read(uint32_t offset) {
    board.access();
    const Channel& channel = offset < 0x30 ? board.send : board.receive;
    const uint32_t value = channel.read(offset % 0x30);
    return offset % 0x30 == 0 && board.reset > 0 ? value | RESET : value;
}

void dma_write(uint32_t offset, uint32_t value) {
    board.access();
    if (offset % 0x30 == 0 && value & RESET) {
        // A reset of one channel resets both.
        board.send = Channel();
        board.receive = Channel();
        board.reset = 50;
    } else if (board.reset == 0) {
        (offset < 0x30 ? board.send : board.receive).write(offset % 0x30, value);
    }
}

uint32_t core_read(uint32_t offset) {
    board.access();
    board.core.s_axi_control_araddr = offset;
    board.core.s_axi_control_arvalid = 1;
    return board.wait();
}

void core_write(uint32_t offset, uint32_t value) {
    board.access();
    board.core.s_axi_control_awaddr = offset;
    board.core.s_axi_control_wdata = value;
    board.core.s_axi_control_wstrb = 15;
    board.core.s_axi_control_awvalid = board.core.s_axi_control_wvalid = 1;
    board.wait();
}

}  // extern "C"
