// recurrent_lstm: layer `lstm` of the network recurrent.
// Written by strassenc 0.1.0 from the model with SHA-256
// 2dbea2b45fcc2d2cf1056eb595df97369cf149c2ef19cd059fd127ac5f9829f9
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// Unrolled: a pipeline of 5 stages.
`default_nettype none

module recurrent_lstm (
    input  wire clk,
    input  wire rst,  // synchronous, clears control only
    input  wire s_valid,
    output wire s_ready,
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3, 1 word a frame
    input  wire s_user,
    output wire m_valid,
    input  wire m_ready,
    output wire [3:0] m_data,  // 1 element of s4 * 2^-3, 1 word a frame
    output wire m_user
);

    // ==== FIFO hidden: 1 word: the h of the step before
    wire fork_b_valid;
    wire fork_b_ready;
    wire [3:0] fork_b_data;
    wire fork_b_user;
    wire hidden_valid;
    wire hidden_ready;
    wire [3:0] hidden_data;
    wire hidden_user;
    strassenc_fifo #(
        .BITS(5), .DEPTH(1)
    ) u_hidden (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(fork_b_valid), .s_ready(fork_b_ready), .s_data({fork_b_user, fork_b_data}),
        .m_valid(hidden_valid), .m_ready(hidden_ready), .m_data({hidden_user, hidden_data})
    );

    // ==== x of this step, 1 word, then h of the step before, 1 word
    wire recall_valid;
    wire recall_ready;
    wire [3:0] recall_data;
    wire recall_user;
    strassenc_recall #(
        .LANES(1), .X_BITS(4), .X_SIGNED(1), .H_BITS(4), .Z_BITS(4),
        .X_WORDS(1), .H_WORDS(1), .STEPS(0)
    ) u_recall (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(s_valid), .s_ready(s_ready), .s_data(s_data), .s_user(s_user),
        .h_valid(hidden_valid), .h_ready(hidden_ready), .h_data(hidden_data), .h_user(hidden_user),
        .m_valid(recall_valid), .m_ready(recall_ready), .m_data(recall_data), .m_user(recall_user)
    );

    // ==== 2 words to one
    wire x_widen_valid;
    wire x_widen_ready;
    wire [7:0] x_widen_data;
    wire x_widen_user;
    strassenc_widen #(
        .BITS(4), .WORDS(2)
    ) u_x_widen (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(recall_valid), .s_ready(recall_ready), .s_data(recall_data), .s_user(recall_user),
        .m_valid(x_widen_valid), .m_ready(x_widen_ready),
        .m_data(x_widen_data), .m_user(x_widen_user)
    );

    // ==== The SPN of a window: a free-running pipeline of 5 stages, 1 word at most
    wire kernel_valid;
    wire kernel_ready;
    wire [11:0] kernel_data;
    wire kernel_user;
    wire [11:0] kernel_result;
    recurrent_lstm_kernel u_pipeline (
        .clk(clk), .s_data(x_widen_data), .m_data(kernel_result)
    );
    strassenc_segment #(
        .STAGES(5), .BITS(12), .DEPTH(1)
    ) u_kernel (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(x_widen_valid), .s_ready(x_widen_ready), .s_user(x_widen_user),
        .result(kernel_result),
        .m_valid(kernel_valid), .m_ready(kernel_ready), .m_data(kernel_data), .m_user(kernel_user)
    );

    // ==== Cell: c = f c + i g, h = o tanh(c), unit by unit
    wire cell_valid;
    wire cell_ready;
    wire [3:0] cell_data;
    wire cell_user;
    wire table_enable;
    wire [5:0] sigmoid_address;
    wire [11:0] sigmoid_data;
    wire [3:0] tanh_address;
    wire [7:0] tanh_data;
    recurrent_lstm_sigmoid_rom u_sigmoid_i (
        .clk(clk), .enable(table_enable), .address(sigmoid_address[0 +: 2]), .data(sigmoid_data[0 +: 4])
    );
    recurrent_lstm_sigmoid_rom u_sigmoid_f (
        .clk(clk), .enable(table_enable), .address(sigmoid_address[2 +: 2]), .data(sigmoid_data[4 +: 4])
    );
    recurrent_lstm_sigmoid_rom u_sigmoid_o (
        .clk(clk), .enable(table_enable), .address(sigmoid_address[4 +: 2]), .data(sigmoid_data[8 +: 4])
    );
    recurrent_lstm_tanh_rom u_tanh_g (
        .clk(clk), .enable(table_enable), .address(tanh_address[0 +: 2]), .data(tanh_data[0 +: 4])
    );
    recurrent_lstm_tanh_rom u_tanh_c (
        .clk(clk), .enable(table_enable), .address(tanh_address[2 +: 2]), .data(tanh_data[4 +: 4])
    );
    strassenc_lstm_cell #(
        .UNITS(1), .STEPS(0), .GATE_BITS(3), .SIGMOID_FRAC(3), .TANH_FRAC(3), .C_BITS(6),
        .H_BITS(4), .KEPT_SHIFT(0), .NEW_SHIFT(0), .C_SHIFT(3), .INDEX_SHIFT(2), .H_SHIFT(3)
    ) u_cell (
        .clk(clk), .clken(1'b1), .rst(rst),
        .table_enable(table_enable), .sigmoid_address(sigmoid_address), .sigmoid_data(sigmoid_data), .tanh_address(tanh_address), .tanh_data(tanh_data),
        .s_valid(kernel_valid), .s_ready(kernel_ready), .s_data(kernel_data), .s_user(kernel_user),
        .m_valid(cell_valid), .m_ready(cell_ready), .m_data(cell_data), .m_user(cell_user)
    );

    // ==== Fork: one stream to two
    strassenc_fork #(
        .BITS(5)
    ) u_fork (
        .clk(clk), .clken(1'b1), .rst(rst),
        .s_valid(cell_valid), .s_ready(cell_ready), .s_data({cell_user, cell_data}),
        .a_valid(m_valid), .a_ready(m_ready), .a_data({m_user, m_data}),
        .b_valid(fork_b_valid), .b_ready(fork_b_ready), .b_data({fork_b_user, fork_b_data})
    );

endmodule

`default_nettype wire
