/* The front end in C, as the test calls it: recordings in, features out, as log_mel.py has them.
   WORD is the type of its features, NUMBERS how many it yields. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void sounds_log_mel(const int16_t *samples, size_t count, WORD *features);

static int16_t samples[1 << 20];
static WORD features[NUMBERS];

int main(void)
{
    uint32_t count;
    size_t i;
    while (fread(&count, sizeof count, 1, stdin) == 1) {
        if (count > sizeof samples / sizeof *samples || fread(samples, 2, count, stdin) != count)
            return 1;
        sounds_log_mel(samples, count, features);
        for (i = 0; i < NUMBERS; i++) {
            uint16_t v = features[i];
            if (fwrite(&v, sizeof v, 1, stdout) != 1)
                return 1;
        }
    }
    return 0;
}
