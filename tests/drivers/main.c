// Drives a core on the board of shim.cpp with its C driver, and compares with golden:
// main VECTORS COUNT. VECTORS holds, as 64-bit integers, the inputs and outputs of each vector.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits_driver.h"

uint64_t board_base(void);
uint8_t *board_memory(void);
uint32_t dma_read(uint32_t offset);
void dma_write(uint32_t offset, uint32_t value);

// What the processor sees of the memory: it reaches the board only when it is flushed, and what
// the board writes is seen only after an invalidation. Lines have 64 bytes.
static uint8_t cache[1 << 12];
#define FRAME cache
#define RESULT (cache + 2048)

static size_t line(const void *memory)
{
    const size_t place = (size_t)((const uint8_t *)memory - cache);
    if (place % 64 != 0) abort();
    return place;
}

static uint32_t read_register(void *context, uint32_t offset)
{
    (void)context;
    return dma_read(offset);
}

static void write_register(void *context, uint32_t offset, uint32_t value)
{
    (void)context;
    dma_write(offset, value);
}

static uint64_t address(void *context, const void *memory)
{
    (void)context;
    return board_base() + line(memory);
}

static void flush(void *context, const void *memory, size_t bytes)
{
    (void)context;
    memcpy(board_memory() + line(memory), memory, bytes);
}

static void invalidate(void *context, void *memory, size_t bytes)
{
    (void)context;
    memcpy(memory, board_memory() + line(memory), bytes);
}

static void expect(int holds, const char *what)
{
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

int main(int argc, char **argv)
{
    const struct digits_platform platform = {
        NULL, read_register, write_register, address, flush, invalidate, 10000
    };
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    expect(file != NULL, "usage: main VECTORS COUNT");
    const int count = atoi(argv[2]);

    expect(digits_quantise(-1.0) == 0 && digits_quantise(1e300) == 31, "does not saturate");
    expect(digits_quantise(0.03125) == 1 && digits_quantise(0.03124) == 0, "is not half up");
    expect(digits_quantise(0.0 / 0.0) == 0, "NaN");

    // A channel that was not started moves nothing.
    expect(digits_infer(&platform, FRAME, RESULT) == DIGITS_LATE, "a halted engine answers");
    expect(digits_open(&platform) == DIGITS_DONE, "the engine does not start");
    for (int vector = 0; vector < count; ++vector) {
        int64_t due[DIGITS_INPUTS + DIGITS_OUTPUTS];
        expect(fread(due, sizeof due, 1, file) == 1, "too few vectors");
        digits_input x[DIGITS_INPUTS];
        digits_output y[DIGITS_OUTPUTS];
        for (int i = 0; i < DIGITS_INPUTS; ++i) {
            x[i] = (digits_input)due[i];
            expect(digits_quantise((double)due[i] / 16.0) == x[i], "another integer");
        }
        digits_pack(FRAME, x);
        const enum digits_state state = digits_infer(&platform, FRAME, RESULT);
        if (state != DIGITS_DONE) printf("state %d\n", (int)state);
        expect(state == DIGITS_DONE, "no result");
        digits_unpack(y, RESULT);
        for (int i = 0; i < DIGITS_OUTPUTS; ++i) {
            if (y[i] != due[DIGITS_INPUTS + i]) {
                printf("vector %d, output %d: got %d, golden says %" PRId64 "\n", vector, i,
                    (int)y[i], due[DIGITS_INPUTS + i]);
                return 1;
            }
            expect(digits_real(y[i]) == (double)y[i] / 8.0, "another real number");
        }
    }
    fclose(file);
    printf("%d inferences, every one golden's\n", count);
    return 0;
}
