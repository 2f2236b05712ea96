// tiny_driver.c: the driver in C of the network tiny.
// Written by strassenc 0.1.0 from the model with SHA-256
// 4193b4d672360472b50b415bc9816b2a269f542464e68c1529f0f34d3086f8fc.

#include "tiny_driver.h"

// Registers of a channel, and where the two channels begin: from memory, to memory.
enum { SEND = 0x00, RECEIVE = 0x30 };
enum { CONTROL = 0x00, STATUS = 0x04, ADDRESS = 0x18, ADDRESS_HIGH = 0x1c, LENGTH = 0x28 };

#define RUN UINT32_C(0x1)      // of CONTROL
#define RESET UINT32_C(0x4)
#define IDLE UINT32_C(0x2)     // of STATUS
#define ERRORS UINT32_C(0x70)

tiny_input tiny_quantise(double real)
{
    const tiny_input least = -8, most = 7;
    const double scaled = real * 4.0;
    if (!(scaled > (double)least)) return least;
    if (scaled >= (double)most) return most;
    int64_t below = (int64_t)scaled;
    if ((double)below > scaled) --below;
    // scaled + 1/2 would be rounded.
    return (tiny_input)(scaled - (double)below >= 0.5 ? below + 1 : below);
}

double tiny_real(tiny_output value)
{
    return (double)value * 0.125;
}

void tiny_pack(uint8_t frame[TINY_INPUT_BYTES], const tiny_input x[TINY_INPUTS])
{
    for (size_t i = 0; i < TINY_INPUTS; ++i) {
        const uint64_t bits = (uint64_t)x[i];
        for (size_t byte = 0; byte < 1; ++byte)
            frame[1 * i + byte] = (uint8_t)(bits >> 8 * byte);
    }
}

void tiny_unpack(tiny_output y[TINY_OUTPUTS], const uint8_t result[TINY_OUTPUT_BYTES])
{
    for (size_t i = 0; i < TINY_OUTPUTS; ++i) {
        uint64_t bits = 0;
        for (size_t byte = 0; byte < 2; ++byte)
            bits |= (uint64_t)result[2 * i + byte] << 8 * byte;
        // The sign goes up through all bits.
        const uint64_t sign = UINT64_C(1) << 15;
        y[i] = (tiny_output)((bits ^ sign) - sign);
    }
}

static uint32_t get(const struct tiny_platform *platform, uint32_t offset)
{
    return platform->read(platform->context, offset);
}

static void set(const struct tiny_platform *platform, uint32_t offset, uint32_t value)
{
    platform->write(platform->context, offset, value);
}

enum tiny_state tiny_open(const struct tiny_platform *platform)
{
    // The reset of one channel resets both.
    set(platform, SEND + CONTROL, RESET);
    for (uint32_t tries = 0; get(platform, SEND + CONTROL) & RESET; ++tries)
        if (tries == platform->patience) return TINY_LATE;
    set(platform, SEND + CONTROL, RUN);
    set(platform, RECEIVE + CONTROL, RUN);
    return TINY_DONE;
}

// The write of the length begins the transfer.
static void transfer(const struct tiny_platform *platform, uint32_t channel, const void *memory,
    uint32_t bytes)
{
    const uint64_t address = platform->address(platform->context, memory);
    set(platform, channel + ADDRESS, (uint32_t)address);
    set(platform, channel + ADDRESS_HIGH, (uint32_t)(address >> 32));
    set(platform, channel + LENGTH, bytes);
}

void tiny_start(const struct tiny_platform *platform,
    const uint8_t frame[TINY_INPUT_BYTES], uint8_t result[TINY_OUTPUT_BYTES])
{
    platform->flush(platform->context, frame, TINY_INPUT_BYTES);
    // A changed line of the result must not be written over what the engine writes.
    platform->flush(platform->context, result, TINY_OUTPUT_BYTES);
    transfer(platform, RECEIVE, result, TINY_OUTPUT_BYTES);
    transfer(platform, SEND, frame, TINY_INPUT_BYTES);
}

enum tiny_state tiny_poll(const struct tiny_platform *platform,
    uint8_t result[TINY_OUTPUT_BYTES])
{
    const uint32_t sent = get(platform, SEND + STATUS), received = get(platform, RECEIVE + STATUS);
    if ((sent | received) & ERRORS) return TINY_DMA_ERROR;
    if (!(sent & received & IDLE)) return TINY_BUSY;
    platform->invalidate(platform->context, result, TINY_OUTPUT_BYTES);
    const uint32_t bytes = get(platform, RECEIVE + LENGTH);
    return bytes == TINY_OUTPUT_BYTES ? TINY_DONE : TINY_WRONG_LENGTH;
}

enum tiny_state tiny_infer(const struct tiny_platform *platform,
    const uint8_t frame[TINY_INPUT_BYTES], uint8_t result[TINY_OUTPUT_BYTES])
{
    tiny_start(platform, frame, result);
    for (uint32_t tries = 0; tries < platform->patience; ++tries) {
        const enum tiny_state state = tiny_poll(platform, result);
        if (state != TINY_BUSY) return state;
    }
    return TINY_LATE;
}
