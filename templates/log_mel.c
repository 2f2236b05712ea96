// {{ title }}, made by {{ tool }}.
// The log-mel front end of the network `{{ name }}`, bit for bit as it was trained with. The
// specification is docs/log-mel.md of strassenc. It needs a compiler of C99 and no library; its
// buffers are static, so one recording is computed at a time.
//
//     #include <stddef.h>
//     #include <stdint.h>
//     void {{ name }}_log_mel(const int16_t *samples, size_t count, {{ word }} *features);
//
// takes a recording of {{ front.cut.rate }} samples a second and writes {{ front.frames }} frames of {{ front.filters.len() }} mel bands, frame by frame,
// to `features`: the integers that enter the network. It looks at the first {{ front.samples() }} samples; a
// recording of fewer ends in silence. A sample v of 8 bits is (v - 128) * 256 in 16 bits.

#include <stddef.h>
#include <stdint.h>

#define FRAMES {{ front.frames }}
#define MELS {{ front.filters.len() }}
#define WINDOW {{ front.cut.window }}
#define STEP {{ front.cut.step }}
#define MOST {{ front.most }}
#define FRAC {{ front.frac }}

void {{ name }}_log_mel(const int16_t *samples, size_t count, {{ word }} *features);

// 2^15 * cos(2 * pi * k / WINDOW)
static const int32_t cosines[WINDOW] = {
{{ cosines }}
};

// 2^FRAC * log2(1 + i / 64)
static const uint16_t logarithms[64] = {
{{ logarithms }}
};

// The first bin of each mel band, and how many it has.
static const uint16_t bins[MELS][2] = {
{{ bins }}
};

// The weights of their bins, one after another.
static const uint16_t weights[] = {
{{ weights }}
};

static int32_t re[WINDOW], im[WINDOW];
static uint16_t levels[FRAMES * MELS];

// v / 2^k, halves up; a right shift of a negative number is arithmetic in every compiler we know.
static int32_t rounded(int64_t v, int k)
{
    return (int32_t)((v + ((int64_t)1 << (k - 1))) >> k);
}

// The Fourier transform of a frame under its window.
static void transform(const int16_t *samples, size_t count)
{
    size_t n, bit, place, half, k, even;
    for (n = 0, place = 0; n < WINDOW; n++) {
        int64_t sample = n < count ? samples[n] : 0;
        re[place] = rounded(sample * (32768 - cosines[n]), 13);
        im[place] = 0;
        // The next number, with its bits in reverse.
        for (bit = WINDOW / 2; bit > 0 && (place & bit) != 0; bit /= 2)
            place ^= bit;
        place |= bit;
    }
    for (half = 1; half < WINDOW; half *= 2) {
        for (k = 0; k < half; k++) {
            size_t angle = k * (WINDOW / 2 / half);
            int64_t c = cosines[angle], s = cosines[(angle + WINDOW / 4 * 3) % WINDOW];
            for (even = k; even < WINDOW; even += 2 * half) {
                size_t odd = even + half;
                int32_t r = rounded(c * re[odd] + s * im[odd], 15);
                int32_t i = rounded(c * im[odd] - s * re[odd], 15);
                re[odd] = re[even] - r;
                im[odd] = im[even] - i;
                re[even] += r;
                im[even] += i;
            }
        }
    }
}

// 2^FRAC * log2(energy), and 0 for 0.
static uint16_t logarithm(uint64_t energy)
{
    int whole = 63;
    if (energy == 0)
        return 0;
    while ((energy >> 63) == 0) {
        energy <<= 1;
        whole--;
    }
    return (uint16_t)(((unsigned)whole << FRAC) + logarithms[(energy << 1) >> 58]);
}

void {{ name }}_log_mel(const int16_t *samples, size_t count, {{ word }} *features)
{
    size_t frame, mel, bin, i;
    uint32_t peak = MOST;
    for (frame = 0; frame < FRAMES; frame++) {
        size_t first = frame * STEP, weight = 0;
        first = first < count ? first : count;
        transform(samples + first, count - first);
        for (mel = 0; mel < MELS; mel++) {
            uint64_t energy = 0;
            uint16_t *level = &levels[frame * MELS + mel];
            for (bin = bins[mel][0]; bin < (size_t)bins[mel][0] + bins[mel][1]; bin++) {
                int64_t r = re[bin], q = im[bin];
                energy += weights[weight++] * (uint64_t)(r * r + q * q);
            }
            *level = logarithm(energy);
            if (*level > peak)
                peak = *level;
        }
    }
    for (i = 0; i < FRAMES * MELS; i++) {
        uint32_t level = levels[i] + (uint32_t)MOST;
        features[i] = ({{ word }})(level > peak ? level - peak : 0);
    }
}
