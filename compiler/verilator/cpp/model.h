// One instance of the verilated design, in the namespace of this crate. Compiled with TRACE 0 or 1.

#pragma once

#include "Vmodel.h"
#include "verilated.h"
#if TRACE
#include "verilated_vcd_c.h"
#endif
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values are copied into the model's words as they are, which needs a little-endian machine"
#endif

// Named, since an unnamed one would make the exported functions local.
namespace verilator_rs {

struct Model {
    std::unique_ptr<VerilatedContext> context{new VerilatedContext};
    std::unique_ptr<Vmodel> top;
#if TRACE
    std::unique_ptr<VerilatedVcdC> trace;
#endif
    std::string message;

    Model(uint64_t seed, const char* wave) {
        // Registers without an initial value start with random bits, as in hardware.
        context->randReset(2);
        context->randSeed(static_cast<int>(seed % 0x7fffffff) + 1);
#if TRACE
        context->traceEverOn(true);
#endif
        top.reset(new Vmodel{context.get(), "core"});
#if TRACE
        if (wave) {
            trace.reset(new VerilatedVcdC);
            top->trace(trace.get(), 99);
            trace->open(wave);
            if (!trace->isOpen()) {
                throw std::runtime_error(std::string(wave) + ": cannot be written");
            }
        }
#else
        if (wave) throw std::runtime_error("the library was built without tracing");
#endif
    }
    ~Model() {
#if TRACE
        if (trace) trace->close();
#endif
        top->final();
    }

    void dump(uint64_t time) {
#if TRACE
        if (trace) trace->dump(time);
#else
        (void)time;
#endif
    }
};

// What every exported function that may fail yields beside its own values.
constexpr uint32_t FAILED = 3;

template <typename Body>
uint32_t guarded(Model& model, Body body) {
    try {
        return body();
    } catch (const std::exception& e) {
        model.message = e.what();
        return FAILED;
    }
}

}  // namespace verilator_rs
