{{ header }}

#include "{{ d.name }}_driver.h"

// Registers of a channel, and where the two channels begin: from memory, to memory.
enum { SEND = 0x00, RECEIVE = 0x30 };
enum { CONTROL = 0x00, STATUS = 0x04, ADDRESS = 0x18, ADDRESS_HIGH = 0x1c, LENGTH = 0x28 };

#define RUN UINT32_C(0x1)      // of CONTROL
#define RESET UINT32_C(0x4)
#define IDLE UINT32_C(0x2)     // of STATUS
#define ERRORS UINT32_C(0x70)

{{ d.name }}_input {{ d.name }}_quantise(double real)
{
    const {{ d.name }}_input least = {{ d.input.least }}, most = {{ d.input.most }};
    const double scaled = real * {{ d.input.scale }};
    if (!(scaled > (double)least)) return least;
    if (scaled >= (double)most) return most;
    int64_t below = (int64_t)scaled;
    if ((double)below > scaled) --below;
    // scaled + 1/2 would be rounded.
    return ({{ d.name }}_input)(scaled - (double)below >= 0.5 ? below + 1 : below);
}
{%- if d.told.is_none() %}

double {{ d.name }}_real({{ d.name }}_output value)
{
    return (double)value * {{ d.output.step }};
}
{%- endif %}
{%- if let Some([offset, scale]) = d.numbers %}

double {{ d.name }}_number(size_t output, {{ d.name }}_output value)
{
    static const double offset[{{ upper }}_OUTPUTS] = { {{ offset }} };
    static const double scale[{{ upper }}_OUTPUTS] = { {{ scale }} };
    return offset[output] + scale[output] * {{ d.name }}_real(value);
}
{%- endif %}

void {{ d.name }}_pack(uint8_t frame[{{ upper }}_INPUT_BYTES], const {{ d.name }}_input x[{{ upper }}_INPUTS])
{
    for (size_t i = 0; i < {{ upper }}_INPUTS; ++i) {
        const uint64_t bits = (uint64_t)x[i];
        for (size_t byte = 0; byte < {{ d.input.element_bytes }}; ++byte)
            frame[{{ d.input.element_bytes }} * i + byte] = (uint8_t)(bits >> 8 * byte);
    }
}

void {{ d.name }}_unpack({{ d.name }}_output y[{{ upper }}_OUTPUTS], const uint8_t result[{{ upper }}_OUTPUT_BYTES])
{
    for (size_t i = 0; i < {{ upper }}_OUTPUTS; ++i) {
        uint64_t bits = 0;
        for (size_t byte = 0; byte < {{ d.output.element_bytes }}; ++byte)
            bits |= (uint64_t)result[{{ d.output.element_bytes }} * i + byte] << 8 * byte;
{%- if d.output.signed && d.output.element_bytes < 8 %}
        // The sign goes up through all bits.
        const uint64_t sign = UINT64_C(1) << {{ 8 * d.output.element_bytes - 1 }};
        y[i] = ({{ d.name }}_output)((bits ^ sign) - sign);
{%- else %}
        y[i] = ({{ d.name }}_output)bits;
{%- endif %}
    }
}

static uint32_t get(const struct {{ d.name }}_platform *platform, uint32_t offset)
{
    return platform->read(platform->context, offset);
}

static void set(const struct {{ d.name }}_platform *platform, uint32_t offset, uint32_t value)
{
    platform->write(platform->context, offset, value);
}

enum {{ d.name }}_state {{ d.name }}_open(const struct {{ d.name }}_platform *platform)
{
    // The reset of one channel resets both.
    set(platform, SEND + CONTROL, RESET);
    for (uint32_t tries = 0; get(platform, SEND + CONTROL) & RESET; ++tries)
        if (tries == platform->patience) return {{ upper }}_LATE;
    set(platform, SEND + CONTROL, RUN);
    set(platform, RECEIVE + CONTROL, RUN);
    return {{ upper }}_DONE;
}

// The write of the length begins the transfer.
static void transfer(const struct {{ d.name }}_platform *platform, uint32_t channel, const void *memory,
    uint32_t bytes)
{
    const uint64_t address = platform->address(platform->context, memory);
    set(platform, channel + ADDRESS, (uint32_t)address);
    set(platform, channel + ADDRESS_HIGH, (uint32_t)(address >> 32));
    set(platform, channel + LENGTH, bytes);
}

void {{ d.name }}_start(const struct {{ d.name }}_platform *platform,
    const uint8_t frame[{{ upper }}_INPUT_BYTES], uint8_t result[{{ upper }}_OUTPUT_BYTES])
{
    platform->flush(platform->context, frame, {{ upper }}_INPUT_BYTES);
    // A changed line of the result must not be written over what the engine writes.
    platform->flush(platform->context, result, {{ upper }}_OUTPUT_BYTES);
    transfer(platform, RECEIVE, result, {{ upper }}_OUTPUT_BYTES);
    transfer(platform, SEND, frame, {{ upper }}_INPUT_BYTES);
}

enum {{ d.name }}_state {{ d.name }}_poll(const struct {{ d.name }}_platform *platform,
    uint8_t result[{{ upper }}_OUTPUT_BYTES])
{
    const uint32_t sent = get(platform, SEND + STATUS), received = get(platform, RECEIVE + STATUS);
    if ((sent | received) & ERRORS) return {{ upper }}_DMA_ERROR;
    if (!(sent & received & IDLE)) return {{ upper }}_BUSY;
    platform->invalidate(platform->context, result, {{ upper }}_OUTPUT_BYTES);
    const uint32_t bytes = get(platform, RECEIVE + LENGTH);
    return bytes == {{ upper }}_OUTPUT_BYTES ? {{ upper }}_DONE : {{ upper }}_WRONG_LENGTH;
}

enum {{ d.name }}_state {{ d.name }}_infer(const struct {{ d.name }}_platform *platform,
    const uint8_t frame[{{ upper }}_INPUT_BYTES], uint8_t result[{{ upper }}_OUTPUT_BYTES])
{
    {{ d.name }}_start(platform, frame, result);
    for (uint32_t tries = 0; tries < platform->patience; ++tries) {
        const enum {{ d.name }}_state state = {{ d.name }}_poll(platform, result);
        if (state != {{ upper }}_BUSY) return state;
    }
    return {{ upper }}_LATE;
}
{%- if let Some(control) = d.control %}

static uint32_t ask(const struct {{ d.name }}_platform *platform, uint32_t offset)
{
    return platform->read_core(platform->context, offset);
}

enum {{ d.name }}_state {{ d.name }}_identify(const struct {{ d.name }}_platform *platform)
{
    static const uint32_t due[][2] = {
{%- for r in control.registers %}
{%- if r.value.is_some() %}
        {{ "{" }}{{ upper }}_{{ r.name }}, {{ upper }}_{{ r.name }}_VALUE{{ "}" }},
{%- endif %}
{%- endfor %}
    };
    for (size_t i = 0; i < sizeof due / sizeof due[0]; ++i)
        if (ask(platform, due[i][0]) != due[i][1]) return {{ upper }}_OTHER_CORE;
    return {{ upper }}_DONE;
}

uint32_t {{ d.name }}_status(const struct {{ d.name }}_platform *platform)
{
    return ask(platform, {{ upper }}_STATUS);
}

uint32_t {{ d.name }}_frames_in(const struct {{ d.name }}_platform *platform)
{
    return ask(platform, {{ upper }}_FRAMES_IN);
}

uint32_t {{ d.name }}_frames_out(const struct {{ d.name }}_platform *platform)
{
    return ask(platform, {{ upper }}_FRAMES_OUT);
}
{%- if control.has("COMMAND", "CLEAR_ERROR") %}

void {{ d.name }}_clear_error(const struct {{ d.name }}_platform *platform)
{
    platform->write_core(platform->context, {{ upper }}_COMMAND, {{ upper }}_COMMAND_CLEAR_ERROR);
}
{%- endif %}
{%- if control.table.is_some() %}

// Whether no table is being loaded, waiting until there is none.
static int is_loaded(const struct {{ d.name }}_platform *platform)
{
    for (uint32_t tries = 0; tries < platform->patience; ++tries)
        if (!({{ d.name }}_status(platform) & {{ upper }}_STATUS_LOADING)) return 1;
    return 0;
}

enum {{ d.name }}_state {{ d.name }}_load(const struct {{ d.name }}_platform *platform,
    const uint8_t table[{{ upper }}_TABLE_BYTES])
{
    // A table that is being loaded takes no word.
    if (!is_loaded(platform)) return {{ upper }}_LATE;
    for (uint32_t at = 0; at < {{ upper }}_TABLE_BYTES; at += 4) {
        uint32_t word = 0;
        for (uint32_t byte = 0; byte < 4; ++byte) word |= (uint32_t)table[at + byte] << 8 * byte;
        platform->write_core(platform->context, {{ upper }}_TABLE + at, word);
    }
    platform->write_core(platform->context, {{ upper }}_COMMAND, {{ upper }}_COMMAND_LOAD);
    return is_loaded(platform) ? {{ upper }}_DONE : {{ upper }}_LATE;
}
{%- endif %}
{%- endif %}
