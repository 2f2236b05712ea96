// The exported functions of a model, and its ports. `ports.inc` holds a line for each port of the
// design: PORT(number, name in the C++, name in the Verilog, bits, direction).

#include "model.h"

// Verilator would end the process; the caller gets a message instead.
namespace {
[[noreturn]] void fail(const char* file, int line, const char* message) {
    throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + message);
}
}  // namespace

void vl_fatal(const char* file, int line, const char*, const char* message) {
    fail(file, line, message);
}
void vl_finish(const char* file, int line, const char*) {
    fail(file, line, "$finish in the design");
}
void vl_stop(const char* file, int line, const char*) {
    fail(file, line, "$stop in the design");
}

using verilator_rs::Model;

namespace {

struct Port {
    const char* name;
    uint32_t bits;
    uint32_t direction;
};

const Port PORTS[] = {
#define PORT(number, variable, name, bits, direction) {name, bits, direction},
#include "ports.inc"
#undef PORT
    {nullptr, 0, 0},
};

void* variable(Model& model, uint32_t number) {
    switch (number) {
#define PORT(number, variable, name, bits, direction) \
    case number: return &model.top->variable;
#include "ports.inc"
#undef PORT
        default: return nullptr;
    }
}

}  // namespace

extern "C" {

// The model, or null with the cause in `message` (of `size` bytes).
Model* verilator_rs_new(uint64_t seed, const char* wave, char* message, size_t size) {
    try {
        return new Model(seed, wave);
    } catch (const std::exception& e) {
        std::snprintf(message, size, "%s", e.what());
        return nullptr;
    }
}

void verilator_rs_delete(Model* model) { delete model; }

// Why the last call failed; lives until the next call.
const char* verilator_rs_message(const Model* model) { return model->message.c_str(); }

// The name of a port, or null behind the last.
const char* verilator_rs_port(uint32_t number, uint32_t* bits, uint32_t* direction) {
    *bits = PORTS[number].bits;
    *direction = PORTS[number].direction;
    return PORTS[number].name;
}

void verilator_rs_set(Model* model, uint32_t number, const uint8_t* bytes, size_t size) {
    std::memcpy(variable(*model, number), bytes, size);
}

void verilator_rs_get(Model* model, uint32_t number, uint8_t* bytes, size_t size) {
    std::memcpy(bytes, variable(*model, number), size);
}

uint32_t verilator_rs_eval(Model* model) {
    return verilator_rs::guarded(*model, [&] { model->top->eval(); return 0u; });
}

uint32_t verilator_rs_dump(Model* model, uint64_t time) {
    return verilator_rs::guarded(*model, [&] { model->dump(time); return 0u; });
}

}  // extern "C"
