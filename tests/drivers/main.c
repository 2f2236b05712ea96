// Drives a core on the board of shim.cpp with its C driver, and compares with golden:
// main VECTORS COUNT TABLE. VECTORS holds, as 64-bit integers, the inputs and outputs of each
// vector: COUNT of the model that the core has, and as many of the one that TABLE makes it.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digits_driver.h"

uint64_t board_base(void);
uint8_t *board_memory(void);
uint32_t dma_read(uint32_t offset);
void dma_write(uint32_t offset, uint32_t value);
uint32_t core_read(uint32_t offset);
void core_write(uint32_t offset, uint32_t value);

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

static uint32_t read_core(void *context, uint32_t offset)
{
    (void)context;
    return core_read(offset);
}

static uint32_t read_nothing(void *context, uint32_t offset)
{
    (void)context;
    (void)offset;
    return 0;
}

static void write_core(void *context, uint32_t offset, uint32_t value)
{
    (void)context;
    core_write(offset, value);
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

static void infer(const struct digits_platform *platform, FILE *file, int count)
{
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
        const enum digits_state state = digits_infer(platform, FRAME, RESULT);
        if (state != DIGITS_DONE) printf("state %d\n", (int)state);
        expect(state == DIGITS_DONE, "no result");
        digits_unpack(y, RESULT);
        for (int i = 0; i < DIGITS_OUTPUTS; ++i) {
            if (y[i] != due[DIGITS_INPUTS + i]) {
                printf("vector %d, output %d: got %d, golden says %" PRId64 "\n", vector, i,
                    (int)y[i], due[DIGITS_INPUTS + i]);
                exit(1);
            }
            expect(digits_real(y[i]) == (double)y[i] / 8.0, "another real number");
        }
    }
}

// The registers: what the core is, what it has done, and another model in it.
static void reload(struct digits_platform *platform, uint32_t count, FILE *file)
{
    uint8_t table[DIGITS_TABLE_BYTES];
    expect(file != NULL && fread(table, sizeof table, 1, file) == 1, "no table");
    expect(digits_identify(platform) == DIGITS_DONE, "another core");
    const struct digits_platform nowhere = {
        NULL, NULL, NULL, read_nothing, NULL, NULL, NULL, NULL, 1
    };
    expect(digits_identify(&nowhere) == DIGITS_OTHER_CORE, "any core will do");
    expect(digits_frames_in(platform) == count, "other frames entered");
    expect(digits_frames_out(platform) == count, "other frames left");
    digits_clear_error(platform);
    expect(digits_status(platform) == DIGITS_STATUS_EMPTY, "another status");
    const uint32_t patience = platform->patience;
    platform->patience = 1;
    expect(digits_load(platform, table) == DIGITS_LATE, "a load takes no time");
    platform->patience = patience;
    expect(digits_load(platform, table) == DIGITS_DONE, "no load ends");
    expect(core_read(DIGITS_LOADS) == 3, "other loads");
}

int main(int argc, char **argv)
{
    struct digits_platform platform = {
        NULL, read_register, write_register, read_core, write_core, address, flush, invalidate,
        10000
    };
    FILE *file = argc == 4 ? fopen(argv[1], "rb") : NULL;
    expect(file != NULL, "usage: main VECTORS COUNT TABLE");
    const int count = atoi(argv[2]);

    expect(digits_quantise(-1.0) == 0 && digits_quantise(1e300) == 31, "does not saturate");
    expect(digits_quantise(0.03125) == 1 && digits_quantise(0.03124) == 0, "is not half up");
    expect(digits_quantise(0.0 / 0.0) == 0, "NaN");

    // A channel that was not started moves nothing.
    expect(digits_infer(&platform, FRAME, RESULT) == DIGITS_LATE, "a halted engine answers");
    expect(digits_open(&platform) == DIGITS_DONE, "the engine does not start");
    infer(&platform, file, count);
    FILE *table = fopen(argv[3], "rb");
    reload(&platform, (uint32_t)count, table);
    infer(&platform, file, count);
    fclose(table);
    fclose(file);
    printf("%d inferences, every one golden's\n", 2 * count);
    return 0;
}
