{{ header }}
//
// A driver of the core behind an AXI DMA in simple mode (PG021). It allocates nothing and needs no
// operating system; what it needs of the platform are the functions of {{ d.name }}_platform:
//
//     {{ d.name }}_open(&platform);
//     {{ d.name }}_pack(frame, x);
//     {{ d.name }}_infer(&platform, frame, result);
//     {{ d.name }}_unpack(y, result);
//
// Frame and result lie where the DMA engine reads and writes, aligned to the width of its memory,
// and share no cache line with anything else. The engine has streams as wide as those of the core,
// or a width converter stands between, and a length register of {{ d.length_bits }} bits at least.
{%- if d.recurrent %}
//
// Simple mode carries no tuser: tie s_axis_tuser low. A sequence begins with the first frame after
// a reset of the core.
{%- endif %}

#ifndef {{ upper }}_DRIVER_H
#define {{ upper }}_DRIVER_H

#include <stddef.h>
#include <stdint.h>
{%- if d.control.is_some() %}

#include "{{ d.name }}_control.h"
{%- endif %}

#ifdef __cplusplus
extern "C" {
#endif

// Elements of an input and of an output, {{ d.input.format }} and {{ d.output.format }}.
{%- if let Some(told) = d.told %}
// The output is {{ told }}.
{%- endif %}
#define {{ upper }}_INPUTS {{ d.input.elements }}
#define {{ upper }}_OUTPUTS {{ d.output.elements }}
typedef {{ d.input.c }} {{ d.name }}_input;
typedef {{ d.output.c }} {{ d.name }}_output;

// Bytes of a frame, and of a result, in memory.
#define {{ upper }}_INPUT_BYTES {{ d.input.bytes }}
#define {{ upper }}_OUTPUT_BYTES {{ d.output.bytes }}

// The integer for a real number: the nearest one, half up, at most the largest, at least the least,
// which a NaN becomes, too.
{{ d.name }}_input {{ d.name }}_quantise(double real);
{%- if d.told.is_none() %}

// The real number that an integer of the outputs stands for.
double {{ d.name }}_real({{ d.name }}_output value);
{%- endif %}
{%- if d.numbers.is_some() %}

// The number, in units of the data, that an integer of this output stands for: 0 and up.
double {{ d.name }}_number(size_t output, {{ d.name }}_output value);
{%- endif %}

// A frame of an input, and an output of a result.
void {{ d.name }}_pack(uint8_t frame[{{ upper }}_INPUT_BYTES], const {{ d.name }}_input x[{{ upper }}_INPUTS]);
void {{ d.name }}_unpack({{ d.name }}_output y[{{ upper }}_OUTPUTS], const uint8_t result[{{ upper }}_OUTPUT_BYTES]);
{%- if d.input.is_array && d.output.is_array %}
// Where the processor has the low byte first, both are the arrays themselves, and need no packing.
{%- else if d.input.is_array %}
// Where the processor has the low byte first, a frame is the array itself, and needs no packing.
{%- else if d.output.is_array %}
// Where the processor has the low byte first, a result is the array itself, and needs no unpacking.
{%- endif %}

// What the driver needs; `context` is given back to each function.
struct {{ d.name }}_platform {
    void *context;
    // Registers of the DMA engine, by their offsets.
    uint32_t (*read)(void *context, uint32_t offset);
    void (*write)(void *context, uint32_t offset, uint32_t value);
{%- if let Some(control) = d.control %}
    // Registers of the core, {{ control.port }}, by their offsets.
    uint32_t (*read_core)(void *context, uint32_t offset);
    void (*write_core)(void *context, uint32_t offset, uint32_t value);
{%- endif %}
    // Where the DMA engine finds this memory.
    uint64_t (*address)(void *context, const void *memory);
    // Writes cached bytes to memory, and forgets cached bytes; without caches they do nothing.
    void (*flush)(void *context, const void *memory, size_t bytes);
    void (*invalidate)(void *context, void *memory, size_t bytes);
    // How often a status is read before it is too late.
    uint32_t patience;
};

enum {{ d.name }}_state {
    {{ upper }}_DONE,
    // Not done yet.
    {{ upper }}_BUSY,
    // Still not done after `patience`.
    {{ upper }}_LATE,
    // The DMA engine reports an error: an address, a length or the width of its length register.
    {{ upper }}_DMA_ERROR,
    // The result has another length: the stream was not at the start of a frame.
    {{ upper }}_WRONG_LENGTH
{%- if d.control.is_some() %},
    // The registers are not those of this core.
    {{ upper }}_OTHER_CORE
{%- endif %}
};

// Resets the DMA engine and starts both of its channels: at first, and after each error, where the
// core has to be reset before.
enum {{ d.name }}_state {{ d.name }}_open(const struct {{ d.name }}_platform *platform);

// Begins an inference; there is one at a time.
void {{ d.name }}_start(const struct {{ d.name }}_platform *platform,
    const uint8_t frame[{{ upper }}_INPUT_BYTES], uint8_t result[{{ upper }}_OUTPUT_BYTES]);

// How far it is; the result is there once it is done.
enum {{ d.name }}_state {{ d.name }}_poll(const struct {{ d.name }}_platform *platform,
    uint8_t result[{{ upper }}_OUTPUT_BYTES]);

// Begins an inference and waits for its result.
enum {{ d.name }}_state {{ d.name }}_infer(const struct {{ d.name }}_platform *platform,
    const uint8_t frame[{{ upper }}_INPUT_BYTES], uint8_t result[{{ upper }}_OUTPUT_BYTES]);

{%- if let Some(control) = d.control %}

// Whether the registers are those of the core that this driver was written with: {{ upper }}_DONE, or
// {{ upper }}_OTHER_CORE where the identity, the version of the map, that of strassenc or the hash of
// the model is another.
enum {{ d.name }}_state {{ d.name }}_identify(const struct {{ d.name }}_platform *platform);

// The bits {{ upper }}_STATUS_*.
uint32_t {{ d.name }}_status(const struct {{ d.name }}_platform *platform);

// Frames that have entered and left since the reset of the core, modulo 2^32.
uint32_t {{ d.name }}_frames_in(const struct {{ d.name }}_platform *platform);
uint32_t {{ d.name }}_frames_out(const struct {{ d.name }}_platform *platform);
{%- if control.has("COMMAND", "CLEAR_ERROR") %}

// Clears {{ upper }}_STATUS_ERROR.
void {{ d.name }}_clear_error(const struct {{ d.name }}_platform *platform);
{%- endif %}
{%- if let Some(table) = control.table %}

// Has the core load a table, as `strassenc reload -o TABLE.bin` writes it, between two frames:
// {{ upper }}_DONE once all frames to come have it, else {{ upper }}_LATE.
#define {{ upper }}_TABLE_BYTES {{ 4 * table.words }}
enum {{ d.name }}_state {{ d.name }}_load(const struct {{ d.name }}_platform *platform,
    const uint8_t table[{{ upper }}_TABLE_BYTES]);
{%- endif %}
{%- endif %}

#ifdef __cplusplus
}
#endif

#endif
