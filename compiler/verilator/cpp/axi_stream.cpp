// The bench around a design: drives beats into its AXI4-Stream inputs, takes beats from its
// outputs, and notes at which clock each passed. What beats mean is known only to the caller.
//
// One clock: inputs change while aclk is low, the design settles, what passes at the coming edge is
// noted, aclk rises. Compiled with 0 or 1 for HAS_ACLKEN and HAS_FRAME_ERROR (with
// frame_error_clear), which not every design has. inputs.inc has a line INPUT(NAME) for each input,
// whose ports are NAME_tdata and so on, outputs.inc a line OUTPUT(NAME) for each output.

#include "model.h"

namespace verilator_rs {

constexpr uint64_t NEVER = ~uint64_t{0};
constexpr uint32_t NO_BYTES = ~uint32_t{0};

// How to drive.
struct Stimulus {
    uint64_t linger;         // clocks to go on listening after the last beat that is due
    uint64_t patience;       // clocks without any beat passing until the design counts as stuck
    uint64_t seed;
    uint8_t gaps;            // withhold tvalid of each input at random
    uint8_t stalls;          // withhold tready of each output at random
    uint8_t pauses;          // withhold aclken at random, where there is one
    uint8_t clear;           // hold frame_error_clear high during the first clock
};

// The beats of an input; the arrays are the caller's. Bit 0 of a beat's flags is tlast, bit 1 is
// tuser.
struct Given {
    const uint8_t* data;     // bytes of each beat
    const uint8_t* flags;
    uint64_t* accepted_at;   // the clock at which each beat passed
    uint64_t beats;
    uint64_t accepted;
    uint32_t bytes;          // of a beat
    uint8_t ready;           // as last seen
};

// The beats of an output; the arrays are the caller's, one entry longer than expected, so that a
// surplus shows. Clocks are counted from the making of the core.
struct Beats {
    uint8_t* data;           // bytes of each beat
    uint8_t* flags;
    uint32_t* kept;          // the low bits of tkeep that are high, or NO_BYTES where others are
    uint64_t* shown;         // the clock at which tvalid was first high for the beat
    uint64_t* taken;         // the clock at which it passed
    uint64_t expected;       // beats that are waited for
    uint64_t produced;
    uint64_t unstable_at;    // first clock at which a waiting beat changed, or NEVER
    uint32_t bytes;          // of a beat
    uint8_t valid;           // as last seen
};

// What happened.
struct Response {
    Given* inputs;           // in the order of inputs.inc
    Beats* outputs;          // in the order of outputs.inc
    uint64_t clock;
    uint64_t frame_error_at; // first clock with frame_error high, but for that of a clear, or NEVER
    uint64_t reset_broken_at; // clock of the last reset, but its first, with the tready of an
                             // input or the tvalid of an output high, or NEVER
};

enum Status : uint32_t { RUNNING = 0, DONE = 1, STUCK = 2 };

// A random signal that is always on, never, or in between, for some clocks each.
class Gate {
    uint64_t state;
    uint32_t mode = 0, left = 0;
    uint64_t next() {  // splitmix64
        uint64_t z = (state += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

public:
    Gate(uint64_t seed, uint64_t stream) : state(seed ^ (stream * 0xd1342543de82ef95u)) { next(); }
    bool open() {
        if (left == 0) {
            const uint64_t r = next();
            mode = r & 3;
            left = 1 + (r >> 8) % (mode == 0 ? 24 : 48);
        }
        --left;
        switch (mode) {
            case 0: return false;
            case 1: return true;
            case 2: return next() & 1;
            default: return (next() & 7) == 0;
        }
    }
};

template <typename Port>
void put(Port& port, const uint8_t* bytes, size_t size) {
    std::memset(&port, 0, sizeof port);
    std::memcpy(&port, bytes, size < sizeof port ? size : sizeof port);
}

// Anything in the `bits` bits of a port that is not read.
template <typename Port>
void scramble(Port& port, uint32_t bits, uint64_t value) {
    std::memset(&port, 0, sizeof port);
    uint8_t* bytes = reinterpret_cast<uint8_t*>(&port);
    for (uint32_t i = 0; i < bits; ++i) bytes[i / 8] |= (value >> (i % 61) & 1) << (i % 8);
}

// How many low bits are high, if no others are: of `bits` bits, which Verilator has in the low ones
// of the port.
template <typename Port>
uint32_t low_ones(const Port& port, uint32_t bits) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(&port);
    uint32_t ones = 0, total = 0;
    for (uint32_t i = 0; i < bits; ++i) {
        const bool high = bytes[i / 8] >> (i % 8) & 1;
        if (high && ones == i) ++ones;
        total += high;
    }
    return ones == total ? ones : NO_BYTES;
}

template <typename Port>
void clear(Port& port) { std::memset(&port, 0, sizeof port); }

// The ports of an input; those that not every design has are found by whether they compile.
#define INPUT(port) \
    struct Ports_##port { \
        static auto& valid(Vmodel* top) { return top->port##_tvalid; } \
        static bool ready(const Vmodel* top) { return top->port##_tready; } \
        static auto& data(Vmodel* top) { return top->port##_tdata; } \
        template <typename T> \
        static auto last(T* top, bool high, int) -> decltype(void(top->port##_tlast)) { \
            top->port##_tlast = high; \
        } \
        template <typename T> static void last(T*, bool, long) {} \
        template <typename T> \
        static auto user(T* top, bool high, int) -> decltype(void(top->port##_tuser)) { \
            top->port##_tuser = high; \
        } \
        template <typename T> static void user(T*, bool, long) {} \
        template <typename T> \
        static auto keep(T* top, uint32_t bytes, uint64_t value, int) \
            -> decltype(void(top->port##_tkeep)) { \
            scramble(top->port##_tkeep, bytes, value); \
        } \
        template <typename T> static void keep(T*, uint32_t, uint64_t, long) {} \
    };
#include "inputs.inc"
#undef INPUT

// Offers the beats of an input.
template <typename Ports>
struct Source {
    Given* in = nullptr;
    std::unique_ptr<Gate> gap;
    bool offering = false;   // tvalid is high and must stay so

    void start(Vmodel* top, Given* beats, uint64_t seed, uint64_t stream) {
        in = beats;
        gap.reset(new Gate(seed, stream));
        if (sizeof Ports::data(top) < in->bytes)
            throw std::runtime_error("a tdata port is narrower than the beats");
    }

    void idle(Vmodel* top) {
        Ports::valid(top) = 0;
        clear(Ports::data(top));
        Ports::last(top, false, 0);
        Ports::user(top, false, 0);
        offering = false;
    }

    bool done() const { return in->accepted == in->beats; }

    void offer(Vmodel* top, bool gaps) {
        if (offering || done() || (gaps && !gap->open())) return;
        put(Ports::data(top), in->data + in->accepted * in->bytes, in->bytes);
        Ports::last(top, in->flags[in->accepted] & 1, 0);
        Ports::user(top, in->flags[in->accepted] >> 1 & 1, 0);
        Ports::keep(top, in->bytes, (in->accepted + 1) * 0x9e3779b97f4a7c15u, 0);
        Ports::valid(top) = 1;
        offering = true;
    }

    // Whether a beat passes at the coming edge.
    bool hear(Vmodel* top, bool enabled, uint64_t clock) {
        in->ready = Ports::ready(top);
        const bool accepted = offering && in->ready && enabled;
        if (accepted) {
            in->accepted_at[in->accepted++] = clock;
            offering = false;
        }
        return accepted;
    }

    // Behind the edge.
    void withdraw(Vmodel* top) {
        if (!offering) Ports::valid(top) = 0;
    }
};

// The ports of an output; those that not every design has are found by whether they compile.
#define OUTPUT(port) \
    struct Ports_##port { \
        static bool valid(const Vmodel* top) { return top->port##_tvalid; } \
        static auto& ready(Vmodel* top) { return top->port##_tready; } \
        static auto& data(const Vmodel* top) { return top->port##_tdata; } \
        template <typename T> \
        static auto last(const T* top, int) -> decltype(bool(top->port##_tlast)) { \
            return top->port##_tlast; \
        } \
        template <typename T> static bool last(const T*, long) { return false; } \
        template <typename T> \
        static auto user(const T* top, int) -> decltype(bool(top->port##_tuser)) { \
            return top->port##_tuser; \
        } \
        template <typename T> static bool user(const T*, long) { return false; } \
        template <typename T> \
        static auto kept(const T* top, uint32_t bytes, int) \
            -> decltype(low_ones(top->port##_tkeep, bytes)) { \
            return low_ones(top->port##_tkeep, bytes); \
        } \
        template <typename T> static uint32_t kept(const T*, uint32_t bytes, long) { \
            return bytes; \
        } \
    };
#include "outputs.inc"
#undef OUTPUT

// Takes the beats of an output.
template <typename Ports>
struct Sink {
    Beats* out = nullptr;
    std::unique_ptr<Gate> stall;
    bool waiting = false;    // a beat is shown and not yet taken
    std::string held;        // that beat, to see that it does not change
    uint64_t shown = NEVER;

    void start(Vmodel* top, Beats* beats, uint64_t seed, uint64_t stream) {
        out = beats;
        stall.reset(new Gate(seed, stream));
        if (sizeof Ports::data(top) < out->bytes)
            throw std::runtime_error("a tdata port is narrower than the beats");
    }

    bool done() const { return out->produced >= out->expected; }

    void offer(Vmodel* top, bool stalls) { Ports::ready(top) = !stalls || stall->open(); }

    // What passes at the coming edge.
    bool hear(Vmodel* top, bool enabled, uint64_t clock) {
        const bool valid = Ports::valid(top);
        const bool taken = valid && Ports::ready(top) && enabled;
        out->valid = valid;
        if (valid) {
            std::string beat(reinterpret_cast<const char*>(&Ports::data(top)), out->bytes);
            beat.push_back(static_cast<char>(Ports::last(top, 0) | Ports::user(top, 0) << 1));
            if (waiting && beat != held && out->unstable_at == NEVER) out->unstable_at = clock;
            if (!waiting) shown = clock;
            held.swap(beat);
            waiting = true;
        } else if (waiting && out->unstable_at == NEVER) {
            out->unstable_at = clock;
        }
        if (!taken) return false;
        if (out->produced <= out->expected) {
            std::memcpy(out->data + out->produced * out->bytes, held.data(), out->bytes);
            out->flags[out->produced] = static_cast<uint8_t>(held.back());
            out->kept[out->produced] = Ports::kept(top, out->bytes, 0);
            out->shown[out->produced] = shown;
            out->taken[out->produced] = clock;
        }
        ++out->produced;
        waiting = false;
        return true;
    }
};

struct Bench {
    Model& model;
    Vmodel* top;
    Stimulus in{};
    Response* out = nullptr;
    uint64_t clock = 0, quiet = 0, since_done = 0, reset_broken_at = NEVER;
    std::unique_ptr<Gate> pause;
#define INPUT(port) Source<Ports_##port> port;
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) Sink<Ports_##port> port;
#include "outputs.inc"
#undef OUTPUT

    explicit Bench(Model& of) : model(of), top(of.top.get()) {
        top->aclk = 0;
        top->aresetn = 0;
#if HAS_ACLKEN
        top->aclken = 1;
#endif
        idle();
        top->eval();
    }

    void idle() {
#define INPUT(port) port.idle(top);
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) top->port##_tready = 1;
#include "outputs.inc"
#undef OUTPUT
#if HAS_FRAME_ERROR
        top->frame_error_clear = 0;
#endif
    }

    void settle() {
        top->eval();
        model.dump(clock * 10);
    }

    void edge() {
        top->aclk = 1;
        top->eval();
        model.dump(clock * 10 + 5);
        top->aclk = 0;
        ++clock;
    }

    void reset(uint32_t clocks) {
        idle();
#if HAS_ACLKEN
        top->aclken = 1;
#endif
        top->aresetn = 0;
        reset_broken_at = NEVER;
        for (uint32_t i = 0; i < clocks; ++i) {
            settle();
            bool open = false;
#define INPUT(port) open |= top->port##_tready;
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) open |= top->port##_tvalid;
#include "outputs.inc"
#undef OUTPUT
            if (i > 0 && open && reset_broken_at == NEVER) reset_broken_at = clock;
            edge();
        }
        top->aresetn = 1;
#define OUTPUT(port) port.waiting = false;
#include "outputs.inc"
#undef OUTPUT
    }

    void start(const Stimulus& stimulus, Response* response) {
        in = stimulus;
        out = response;
        out->reset_broken_at = reset_broken_at;
        quiet = since_done = 0;
        pause.reset(new Gate(in.seed, 3));
        // Each input has a stream of random numbers of its own: 1, and those from 2^32 on.
        uint64_t stream = 1;
        Given* given = out->inputs;
#define INPUT(port) \
    port.start(top, given++, in.seed, stream); \
    stream = stream == 1 ? uint64_t{1} << 32 : stream + 1;
#include "inputs.inc"
#undef INPUT
        // Each output too: 2, and those from 4 on.
        stream = 2;
        Beats* beats = out->outputs;
#define OUTPUT(port) \
    port.start(top, beats++, in.seed, stream); \
    stream = stream == 2 ? 4 : stream + 1;
#include "outputs.inc"
#undef OUTPUT
        idle();
#if HAS_FRAME_ERROR
        top->frame_error_clear = in.clear;
#endif
    }

    // One clock with aresetn high.
    void step() {
#define INPUT(port) port.offer(top, in.gaps);
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) port.offer(top, in.stalls);
#include "outputs.inc"
#undef OUTPUT
#if HAS_ACLKEN
        const bool enabled = !in.pauses || pause->open();
        top->aclken = enabled;
#else
        const bool enabled = true;
#endif
        settle();
#if HAS_FRAME_ERROR
        const bool wrong = top->frame_error && !top->frame_error_clear;
        if (wrong && out->frame_error_at == NEVER) out->frame_error_at = clock;
#endif
        bool passed = false;
#define INPUT(port) passed |= port.hear(top, enabled, clock);
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) passed |= port.hear(top, enabled, clock);
#include "outputs.inc"
#undef OUTPUT
        quiet = passed ? 0 : quiet + 1;
        edge();
#define INPUT(port) port.withdraw(top);
#include "inputs.inc"
#undef INPUT
#if HAS_FRAME_ERROR
        if (enabled) top->frame_error_clear = 0;
#endif
        out->clock = clock;
    }

    uint32_t run(uint64_t clocks) {
        for (uint64_t i = 0; i < clocks; ++i) {
            bool done = true;
#define INPUT(port) done = done && port.done();
#include "inputs.inc"
#undef INPUT
#define OUTPUT(port) done = done && port.done();
#include "outputs.inc"
#undef OUTPUT
            if (done && since_done++ >= in.linger) return DONE;
            if (!done && quiet >= in.patience) return STUCK;
            step();
        }
        return RUNNING;
    }
};

}  // namespace verilator_rs

using verilator_rs::Bench;
using verilator_rs::Model;
using verilator_rs::Response;
using verilator_rs::Stimulus;

extern "C" {

// A bench around a model, which must outlive it; null where that fails.
Bench* verilator_rs_bench_new(Model* model) {
    Bench* bench = nullptr;
    verilator_rs::guarded(*model, [&] { bench = new Bench(*model); return 0u; });
    return bench;
}

void verilator_rs_bench_delete(Bench* bench) { delete bench; }

uint32_t verilator_rs_bench_reset(Bench* bench, uint32_t clocks) {
    return verilator_rs::guarded(bench->model, [&] {
        bench->reset(clocks);
        return verilator_rs::RUNNING;
    });
}

// Both must live until the next start or delete.
uint32_t verilator_rs_bench_start(Bench* bench, const Stimulus* stimulus, Response* response) {
    return verilator_rs::guarded(bench->model, [&] {
        bench->start(*stimulus, response);
        return verilator_rs::RUNNING;
    });
}

uint32_t verilator_rs_bench_run(Bench* bench, uint64_t clocks) {
    return verilator_rs::guarded(bench->model, [&] { return bench->run(clocks); });
}

}  // extern "C"
