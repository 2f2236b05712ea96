// strassenc_curves: the logistic function or the hyperbolic tangent of each lane, from a table.
//
// s_data is in two's complement. The table is outside, one for each lane, see strassenc_curve: of
// each lane table_data has the word of the table_address that table_enable was last high with, one
// clock later. A lane of m_data has FRAC + 1 bits, unsigned, where SIGMOID is 1, else FRAC + 2 bits
// in two's complement. Lane 0 lies in the low bits. m_user is s_user, word by word.
// Latency: 3 clocks, one word per clock. Everything moves while m_valid is low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_curves #(
    parameter LANES   = 1,
    parameter V_BITS  = 8,
    parameter FRAC    = 7,
    parameter SIGMOID = 0,
    // Not to be set: bits of a value.
    parameter Z_BITS  = FRAC + (SIGMOID != 0 ? 1 : 2)
) (
    input  wire                        clk,
    input  wire                        clken,
    input  wire                        rst,
    input  wire                        s_valid,
    output wire                        s_ready,
    input  wire [LANES*V_BITS-1:0]     s_data,
    input  wire                        s_user,
    output wire                        m_valid,
    input  wire                        m_ready,
    output wire [LANES*Z_BITS-1:0]     m_data,
    output wire                        m_user,
    output wire                        table_enable,
    output wire [LANES*(V_BITS-1)-1:0] table_address,
    input  wire [LANES*(FRAC+1)-1:0]   table_data
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

    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
            wire [FRAC+1:0] value;
            strassenc_curve #(.V_BITS(V_BITS), .FRAC(FRAC), .SIGMOID(SIGMOID)) curve (
                .clk(clk), .enable(step), .v(s_data[lane*V_BITS +: V_BITS]), .value(value),
                .rom_address(table_address[lane*(V_BITS-1) +: V_BITS-1]),
                .rom_data(table_data[lane*(FRAC+1) +: FRAC+1])
            );
            assign m_data[lane*Z_BITS +: Z_BITS] = value[Z_BITS-1:0];
            if (SIGMOID != 0) begin : positive
                wire unused = &{1'b0, value[FRAC+1]};
            end
        end
    endgenerate
endmodule

`default_nettype wire
