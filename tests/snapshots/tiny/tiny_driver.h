// tiny_driver.h: a driver in C of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.
//
// A driver of the core behind an AXI DMA in simple mode (PG021). It allocates nothing and needs no
// operating system; what it needs of the platform are the functions of tiny_platform:
//
//     tiny_open(&platform);
//     tiny_pack(frame, x);
//     tiny_infer(&platform, frame, result);
//     tiny_unpack(y, result);
//
// Frame and result lie where the DMA engine reads and writes, aligned to the width of its memory,
// and share no cache line with anything else. The engine has streams as wide as those of the core,
// or a width converter stands between, and a length register of 8 bits at least.

#ifndef TINY_DRIVER_H
#define TINY_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Elements of an input and of an output, s4 * 2^-2 and s9 * 2^-3.
#define TINY_INPUTS 3
#define TINY_OUTPUTS 3
typedef int8_t tiny_input;
typedef int16_t tiny_output;

// Bytes of a frame, and of a result, in memory.
#define TINY_INPUT_BYTES 3
#define TINY_OUTPUT_BYTES 6

// The integer for a real number: the nearest one, half up, at most the largest, at least the least,
// which a NaN becomes, too.
tiny_input tiny_quantise(double real);

// The real number that an integer of the outputs stands for.
double tiny_real(tiny_output value);

// A frame of an input, and an output of a result.
void tiny_pack(uint8_t frame[TINY_INPUT_BYTES], const tiny_input x[TINY_INPUTS]);
void tiny_unpack(tiny_output y[TINY_OUTPUTS], const uint8_t result[TINY_OUTPUT_BYTES]);
// Where the processor has the low byte first, both are the arrays themselves, and need no packing.

// What the driver needs; `context` is given back to each function.
struct tiny_platform {
    void *context;
    // Registers of the DMA engine, by their offsets.
    uint32_t (*read)(void *context, uint32_t offset);
    void (*write)(void *context, uint32_t offset, uint32_t value);
    // Where the DMA engine finds this memory.
    uint64_t (*address)(void *context, const void *memory);
    // Writes cached bytes to memory, and forgets cached bytes; without caches they do nothing.
    void (*flush)(void *context, const void *memory, size_t bytes);
    void (*invalidate)(void *context, void *memory, size_t bytes);
    // How often a status is read before it is too late.
    uint32_t patience;
};

enum tiny_state {
    TINY_DONE,
    // Not done yet.
    TINY_BUSY,
    // Still not done after `patience`.
    TINY_LATE,
    // The DMA engine reports an error: an address, a length or the width of its length register.
    TINY_DMA_ERROR,
    // The result has another length: the stream was not at the start of a frame.
    TINY_WRONG_LENGTH
};

// Resets the DMA engine and starts both of its channels: at first, and after each error, where the
// core has to be reset before.
enum tiny_state tiny_open(const struct tiny_platform *platform);

// Begins an inference; there is one at a time.
void tiny_start(const struct tiny_platform *platform,
    const uint8_t frame[TINY_INPUT_BYTES], uint8_t result[TINY_OUTPUT_BYTES]);

// How far it is; the result is there once it is done.
enum tiny_state tiny_poll(const struct tiny_platform *platform,
    uint8_t result[TINY_OUTPUT_BYTES]);

// Begins an inference and waits for its result.
enum tiny_state tiny_infer(const struct tiny_platform *platform,
    const uint8_t frame[TINY_INPUT_BYTES], uint8_t result[TINY_OUTPUT_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
