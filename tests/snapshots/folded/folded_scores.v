// folded_scores: layer `scores` of the network folded.
// Written by strassenc 0.1.0 from the model with SHA-256
// 46b38e1dc3a353e86e317cf2485f8efd7a117b050a1162fc3b0b45a3edd33ec7
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0 --engine folded
//
// Folded: 2 rows of W_b by 2 elements, 2 multipliers, 2 rows of W_c by 2 products; a window every 1 clock.
`default_nettype none

module folded_scores (
    input  wire clk,
    input  wire rst,  // synchronous, clears control only
    input  wire s_valid,
    output wire s_ready,
    input  wire [7:0] s_data,  // 2 elements of s4 * 2^-3, 1 word a frame
    input  wire s_user,
    output wire m_valid,
    input  wire m_ready,
    output wire [11:0] m_data,  // 2 elements of s6 * 2^-3, 1 word a frame
    output wire m_user
);

    // ==== Windows of 1x1 pixels, 1 apart, pad 0: 1x1 on 1x1 pixels
    wire reader_valid;
    wire reader_ready;
    wire [7:0] reader_data;
    wire reader_user;
    strassenc_reader #(
        .ELEMENT_BITS(4), .FILL(4'd0), .LANES(2), .WORDS(1), .GROUPS(1), .REPEATS(1),
        .HEIGHT(1), .WIDTH(1), .K_H(1), .K_W(1), .STRIDE_H(1), .STRIDE_W(1), .PAD_H(0), .PAD_W(0), .ROWS(1), .COLUMNS(1), .SLOTS(2)
    ) u_reader (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .m_valid(reader_valid), .m_ready(reader_ready), .m_data(reader_data), .m_user(reader_user)
    );

    // ==== W_b: 1 word to a sum
    wire wb_array_valid;
    wire wb_array_ready;
    wire [9:0] wb_array_data;
    wire wb_array_user;
    wire wb_rom_enable;
    wire [0:0] wb_rom_address;
    wire [7:0] wb_rom_data;
    folded_scores_wb_rom u_wb_rom (
        .clk(clk), .enable(wb_rom_enable), .address(wb_rom_address), .data(wb_rom_data)
    );
    strassenc_array #(
        .LANES(2), .X_BITS(4), .X_SIGNED(1), .ROWS(2), .SUMS(1), .DEPTH(1), .U_BITS(5)
    ) u_wb_array (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(reader_valid), .s_ready(reader_ready), .s_data(reader_data), .s_user(reader_user),
        .m_valid(wb_array_valid), .m_ready(wb_array_ready),
        .m_data(wb_array_data), .m_user(wb_array_user),
        .s_last(1'b0),
        .rom_enable(wb_rom_enable), .rom_address(wb_rom_address), .rom_data(wb_rom_data)
    );

    // ==== Products: 2 multipliers
    wire bank_valid;
    wire bank_ready;
    wire [11:0] bank_data;
    wire bank_user;
    wire coefficient_rom_enable;
    wire [0:0] coefficient_rom_address;
    wire [5:0] coefficient_rom_data;
    folded_scores_coefficient_rom u_coefficient_rom (
        .clk(clk), .enable(coefficient_rom_enable), .address(coefficient_rom_address), .data(coefficient_rom_data)
    );
    strassenc_multiplier_bank #(
        .LANES(2), .U_BITS(5), .COEFFICIENT_BITS(3), .SHIFT(1), .M_BITS(6), .DEPTH(1)
    ) u_bank (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(wb_array_valid), .s_ready(wb_array_ready),
        .s_data(wb_array_data), .s_user(wb_array_user),
        .m_valid(bank_valid), .m_ready(bank_ready), .m_data(bank_data), .m_user(bank_user),
        .rom_enable(coefficient_rom_enable), .rom_address(coefficient_rom_address), .rom_data(coefficient_rom_data)
    );

    // ==== Windows of 1x1 pixels, 1 apart, pad 0: 1x1 on 1x1 pixels
    wire m_reader_valid;
    wire m_reader_ready;
    wire [11:0] m_reader_data;
    wire m_reader_user;
    strassenc_reader #(
        .ELEMENT_BITS(6), .FILL(6'd0), .LANES(2), .WORDS(1), .GROUPS(1), .REPEATS(1),
        .HEIGHT(1), .WIDTH(1), .K_H(1), .K_W(1), .STRIDE_H(1), .STRIDE_W(1), .PAD_H(0), .PAD_W(0), .ROWS(1), .COLUMNS(1), .SLOTS(2)
    ) u_m_reader (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(bank_valid), .s_ready(bank_ready), .s_data(bank_data), .s_user(bank_user),
        .m_valid(m_reader_valid), .m_ready(m_reader_ready),
        .m_data(m_reader_data), .m_user(m_reader_user)
    );

    // ==== W_c: 1 word to a sum
    wire wc_array_valid;
    wire wc_array_ready;
    wire [11:0] wc_array_data;
    wire wc_array_user;
    wire wc_rom_enable;
    wire [0:0] wc_rom_address;
    wire [7:0] wc_rom_data;
    folded_scores_wc_rom u_wc_rom (
        .clk(clk), .enable(wc_rom_enable), .address(wc_rom_address), .data(wc_rom_data)
    );
    strassenc_array #(
        .LANES(2), .X_BITS(6), .X_SIGNED(1), .ROWS(2), .SUMS(1), .DEPTH(1), .U_BITS(6)
    ) u_wc_array (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(m_reader_valid), .s_ready(m_reader_ready),
        .s_data(m_reader_data), .s_user(m_reader_user),
        .m_valid(wc_array_valid), .m_ready(wc_array_ready),
        .m_data(wc_array_data), .m_user(wc_array_user),
        .s_last(1'b0),
        .rom_enable(wc_rom_enable), .rom_address(wc_rom_address), .rom_data(wc_rom_data)
    );

    // ==== Bias, shift, saturation
    wire output_rom_enable;
    wire [0:0] output_rom_address;
    wire [3:0] output_rom_data;
    folded_scores_output_rom u_output_rom (
        .clk(clk), .enable(output_rom_enable), .address(output_rom_address), .data(output_rom_data)
    );
    strassenc_requantise #(
        .LANES(2), .Y_BITS(6), .CONSTANT_BITS(2), .AMOUNT_BITS(0), .LEFT(0), .BASE(0), .SUM_BITS(6),
        .Z_BITS(6), .Z_SIGNED(1), .DEPTH(1)
    ) u_requantise (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(wc_array_valid), .s_ready(wc_array_ready),
        .s_data(wc_array_data), .s_user(wc_array_user),
        .m_valid(m_valid), .m_ready(m_ready), .m_data(m_data), .m_user(m_user),
        .rom_enable(output_rom_enable), .rom_address(output_rom_address), .rom_data(output_rom_data)
    );

endmodule

`default_nettype wire
