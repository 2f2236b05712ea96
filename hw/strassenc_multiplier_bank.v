// strassenc_multiplier_bank: m = round(coefficient * u / 2^SHIFT), half up, in every lane, with
// coefficients from a ROM.
//
// Each word accepted meets the ROM word of the running address, 0 to DEPTH - 1 and again from 0.
// The ROM lies outside: rom_data is the word of the rom_address that rom_enable was last high with,
// one clock later, and stands until rom_enable is high again. Its coefficients are in two's
// complement; lane 0 lies in the low bits. SHIFT is at least 0. M_BITS holds every m that can
// occur; nothing is saturated. The user bit passes along.
// Latency: 3 clocks: u and coefficient, the full product, m. Everything moves while m_valid is low
// or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_multiplier_bank #(
    parameter LANES            = 4,
    parameter U_BITS           = 16,
    parameter U_SIGNED         = 1,
    parameter COEFFICIENT_BITS = 8,
    parameter SHIFT            = 0,
    parameter M_BITS           = 24,
    parameter DEPTH            = 1
) (
    input  wire                                       clk,
    input  wire                                       clken,
    input  wire                                       rst,
    input  wire                                       s_valid,
    output wire                                       s_ready,
    input  wire [LANES*U_BITS-1:0]                    s_data,
    input  wire                                       s_user,
    output wire                                       m_valid,
    input  wire                                       m_ready,
    output wire [LANES*M_BITS-1:0]                    m_data,
    output wire                                       m_user,
    output wire                                       rom_enable,
    output wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0] rom_address,
    input  wire [LANES*COEFFICIENT_BITS-1:0]          rom_data
);
    localparam        ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam [31:0] LAST_ADDRESS = DEPTH - 1;
    localparam [31:0] ONE          = 1;

    reg  [ADDRESS_BITS-1:0] address;
    reg  [2:0]              valid;
    reg  [2:0]              user;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;

    assign s_ready     = advance;
    assign m_valid     = valid[2];
    assign m_user      = user[2];
    assign rom_enable  = s_valid & step;
    assign rom_address = address;

    always @(posedge clk)
        if (rst) begin
            address <= {ADDRESS_BITS{1'b0}};
            valid   <= 3'b000;
        end else if (step) begin
            if (s_valid) begin
                if (address == LAST_ADDRESS[ADDRESS_BITS-1:0]) address <= {ADDRESS_BITS{1'b0}};
                else address <= address + ONE[ADDRESS_BITS-1:0];
            end
            valid <= {valid[1:0], s_valid};
        end

    always @(posedge clk) if (step) user <= {user[1:0], s_user};

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            strassenc_scaled_product #(
                .OPERAND_BITS    (U_BITS),
                .OPERAND_SIGNED  (U_SIGNED),
                .COEFFICIENT_BITS(COEFFICIENT_BITS),
                .SHIFT           (SHIFT),
                .PRODUCT_BITS    (M_BITS),
                .LATENCY         (3)
            ) scaled (
                .clk        (clk),
                .clken      (step),
                .x          (s_data[i*U_BITS +: U_BITS]),
                .coefficient(rom_data[i*COEFFICIENT_BITS +: COEFFICIENT_BITS]),
                .product    (m_data[i*M_BITS +: M_BITS])
            );
        end
    endgenerate
endmodule

`default_nettype wire
