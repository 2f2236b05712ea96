// Unpacks and packs with a driver whose outputs take three bytes each, and prints both.

#include <stdio.h>

#include "matmul_2x2x2_driver.h"

int main(void)
{
    uint8_t result[MATMUL_2X2X2_OUTPUT_BYTES], frame[MATMUL_2X2X2_INPUT_BYTES];
    matmul_2x2x2_input x[MATMUL_2X2X2_INPUTS];
    matmul_2x2x2_output y[MATMUL_2X2X2_OUTPUTS];
    for (unsigned i = 0; i < sizeof result; ++i) result[i] = (uint8_t)(77 * i + 120);
    for (int i = 0; i < MATMUL_2X2X2_INPUTS; ++i) x[i] = (matmul_2x2x2_input)(35 * i - 128);
    matmul_2x2x2_unpack(y, result);
    matmul_2x2x2_pack(frame, x);
    for (int i = 0; i < MATMUL_2X2X2_OUTPUTS; ++i) printf("%d ", (int)y[i]);
    for (unsigned i = 0; i < sizeof frame; ++i) printf("%d ", frame[i]);
    return 0;
}
