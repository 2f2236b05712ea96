// strassenc_tanh: the hyperbolic tangent of each word, from a table.
//
// s_data and m_data are in two's complement. tanh is a table outside, see strassenc_curve:
// tanh_data is the word of the tanh_address that table_enable was last high with, one clock later.
// m_user is s_user, word by word.
// Latency: 3 clocks, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_tanh #(
    parameter V_BITS = 8,
    parameter FRAC   = 7
) (
    input  wire              clk,
    input  wire              clken,
    input  wire              rst,
    input  wire              s_valid,
    output wire              s_ready,
    input  wire [V_BITS-1:0] s_data,
    input  wire              s_user,
    output wire              m_valid,
    input  wire              m_ready,
    output wire [FRAC+1:0]   m_data,
    output wire              m_user,
    output wire              table_enable,
    output wire [V_BITS-2:0] tanh_address,
    input  wire [FRAC:0]     tanh_data
);
    localparam STAGES = 3;

    reg [STAGES-1:0] valid;
    reg [STAGES-1:0] user;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;

    assign s_ready      = advance;
    assign m_valid      = valid[STAGES-1];
    assign m_user       = user[STAGES-1];
    assign table_enable = step;

    always @(posedge clk)
        if (rst) valid <= {STAGES{1'b0}};
        else if (step) valid <= {valid[STAGES-2:0], s_valid};

    always @(posedge clk) if (step) user <= {user[STAGES-2:0], s_user};

    strassenc_curve #(.V_BITS(V_BITS), .FRAC(FRAC), .SIGMOID(0)) curve (
        .clk(clk), .enable(step), .v(s_data), .value(m_data), .rom_address(tanh_address),
        .rom_data(tanh_data)
    );
endmodule

`default_nettype wire
