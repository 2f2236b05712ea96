// recurrent_scores: layer `scores` of the network recurrent.
// Written by strassenc 0.1.0 from the model with SHA-256
// 2dbea2b45fcc2d2cf1056eb595df97369cf149c2ef19cd059fd127ac5f9829f9
// with --adders-per-stage 1 --multiplier-latency 3 --adder-operands 3 --cost lut-bits --effort 1
// --seed 0
//
// A word every 21 clocks, digit by digit: 1 multiplier, 0 additions, 11 register bits
`default_nettype none

module recurrent_scores (
    input  wire clk,
    input  wire s_first,  // high in clock 0, in which a word enters
    output wire m_first,  // high in clock 8, in which it leaves
    input  wire [3:0] s_data,  // 1 element of s4 * 2^-3
    output wire [4:0] m_data  // 1 element of s5 * 2^-3
);
    // ==== Strobes: number k is high in clock k of each word
    reg  [8:1] strobes;
    wire [8:0] strobe = {strobes, s_first};
    always @(posedge clk) strobes <= strobe[7:0];
    assign m_first = strobe[8];
    wire strobes_unused = &{1'b0, strobe};

    // ==== Places of digits: how many clocks ago clock k of a word was
    reg [4:0] position_1;
    reg [4:0] position_2;
    always @(posedge clk) begin
        position_1 <= strobe[0] ? 5'd0 : position_1 + 5'd1;
        position_2 <= position_1;
    end

    // ==== Multipliers: the product of the row whose turn it is
    wire [4:0] multiplier_0;  // m_0

    // ==== Clock 0: wires
    wire [3:0] p0_x_0 = s_data[3:0];  // input 0

    // ==== Clock 2: 1 word in digits
    wire [0:0] p2_x_0_d1;  // input 0
    strassenc_serial_digits #(
        .BITS(4), .SIGNED(1), .DIGIT(1), .POSITION_BITS(5)
    ) digits_p2_x_0_d1 (
        .clk(clk), .clken(1'b1), .hold(strobe[0]), .x(p0_x_0), .position(position_1),
        .digit(p2_x_0_d1)
    );
    strassenc_serial_multiplier #(
        .ROWS(1), .TURN_BITS(5), .DIGIT(1),
        .DIGITS(4),
        .OPERAND_BITS(4), .OPERAND_SIGNED(1),
        .COEFFICIENT_BITS(3), .COEFFICIENTS({3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0,
            3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0,
            3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'd0, 3'sd3}),
        .SHIFT(1), .PRODUCT_BITS(5), .LATENCY(3)
    ) multiply_0 (
        .clk(clk), .clken(1'b1),
        .turn(position_2), .row_digits({p2_x_0_d1}),
        .product(multiplier_0)
    );

    // ==== Clock 8: 1 product
    wire [4:0] p8_y_0 = p8_m_0;  // output 0
    wire [4:0] p8_m_0 = multiplier_0;  // product of row 0: round(3 * x_0 * 2^-1)

    assign m_data = {p8_y_0};
endmodule

`default_nettype wire
