// strassenc_requantise: z = floor(((y << LEFT) + constant) / 2^(BASE + amount)), saturated, in
// every lane, with constants and amounts from a ROM.
//
// Each word accepted meets the ROM word of the running address, 0 to DEPTH - 1 and again from 0.
// The ROM lies outside: rom_data is the word of the rom_address that rom_enable was last high with,
// one clock later, and stands until rom_enable is high again. A lane of it is {amount, constant}:
// an unsigned amount, none if AMOUNT_BITS is 0, above a constant in two's complement; lane 0 lies
// in the low bits. y is in two's complement, and SUM_BITS holds every (y << LEFT) + constant that
// can occur, in two's complement as well. LEFT and BASE are at least 0. The user bit passes along.
// Latency: 4 clocks: y and constant, the sum, the sum shifted, z. Everything moves while m_valid is
// low or m_ready is high.
// Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_requantise #(
    parameter LANES         = 4,
    parameter Y_BITS        = 24,
    parameter CONSTANT_BITS = 24,
    parameter AMOUNT_BITS   = 0,
    parameter LEFT          = 0,
    parameter BASE          = 8,
    parameter SUM_BITS      = 25,
    parameter Z_BITS        = 8,
    parameter Z_SIGNED      = 1,
    parameter DEPTH         = 1
) (
    input  wire                                         clk,
    input  wire                                         clken,
    input  wire                                         rst,
    input  wire                                         s_valid,
    output wire                                         s_ready,
    input  wire [LANES*Y_BITS-1:0]                      s_data,
    input  wire                                         s_user,
    output wire                                         m_valid,
    input  wire                                         m_ready,
    output wire [LANES*Z_BITS-1:0]                      m_data,
    output wire                                         m_user,
    output wire                                         rom_enable,
    output wire [(DEPTH > 1 ? $clog2(DEPTH) : 1)-1:0]   rom_address,
    input  wire [LANES*(AMOUNT_BITS+CONSTANT_BITS)-1:0] rom_data
);
    localparam        ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam [31:0] LAST_ADDRESS = DEPTH - 1;
    localparam [31:0] ONE          = 1;
    localparam        ENTRY_BITS   = AMOUNT_BITS + CONSTANT_BITS;
    // Wide enough for both summands too: what lies above SUM_BITS repeats the sign.
    localparam        TERM_BITS    = Y_BITS + LEFT > CONSTANT_BITS ? Y_BITS + LEFT : CONSTANT_BITS;
    localparam        WORK_BITS    = SUM_BITS > TERM_BITS ? SUM_BITS : TERM_BITS;
    // The sum without the bits that every shift drops.
    localparam        DROPPED      = BASE < SUM_BITS ? BASE : SUM_BITS - 1;
    localparam        KEPT_BITS    = SUM_BITS - DROPPED;
    // At least one bit above z.
    localparam        WIDE_BITS    = KEPT_BITS > Z_BITS ? KEPT_BITS : Z_BITS + 1;

    reg  [ADDRESS_BITS-1:0] address;
    reg  [3:0]              valid;
    reg  [3:0]              user;

    wire advance = !m_valid | m_ready;
    wire step    = advance & clken;

    assign s_ready     = advance;
    assign m_valid     = valid[3];
    assign m_user      = user[3];
    assign rom_enable  = s_valid & step;
    assign rom_address = address;

    always @(posedge clk)
        if (rst) begin
            address <= {ADDRESS_BITS{1'b0}};
            valid   <= 4'b0000;
        end else if (step) begin
            if (s_valid) begin
                if (address == LAST_ADDRESS[ADDRESS_BITS-1:0]) address <= {ADDRESS_BITS{1'b0}};
                else
                    address <= address + ONE[ADDRESS_BITS-1:0];
            end
            valid <= {valid[2:0], s_valid};
        end

    always @(posedge clk) if (step) user <= {user[2:0], s_user};

    genvar i;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire [CONSTANT_BITS-1:0] constant = rom_data[i*ENTRY_BITS +: CONSTANT_BITS];

            reg         [Y_BITS-1:0]    y;
            reg  signed [KEPT_BITS-1:0] sum;
            reg         [KEPT_BITS-1:0] shifted;
            reg         [Z_BITS-1:0]    z;

            wire [WORK_BITS:0] y_wide        = {{(WORK_BITS-Y_BITS+1){y[Y_BITS-1]}}, y} << LEFT;
            wire [WORK_BITS:0] constant_wide =
                {{(WORK_BITS-CONSTANT_BITS+1){constant[CONSTANT_BITS-1]}}, constant};
            wire [WORK_BITS:0] total         = y_wide + constant_wide;

            always @(posedge clk)
                if (step) begin
                    y   <= s_data[i*Y_BITS +: Y_BITS];
                    sum <= total[SUM_BITS-1:DROPPED];
                end

            if (AMOUNT_BITS == 0) begin : fixed
                always @(posedge clk) if (step) shifted <= sum;
            end else begin : variable
                reg [AMOUNT_BITS-1:0] amount;
                always @(posedge clk)
                    if (step) begin
                        amount  <= rom_data[i*ENTRY_BITS+CONSTANT_BITS +: AMOUNT_BITS];
                        shifted <= sum >>> amount;
                    end
            end

            wire [WIDE_BITS:0]   wide     =
                {{(WIDE_BITS-KEPT_BITS+1){shifted[KEPT_BITS-1]}}, shifted};
            wire                 negative = wide[WIDE_BITS];
            // The bits that equal the sign if z fits.
            wire                 fits;
            wire [Z_BITS-1:0]    least;
            if (Z_SIGNED != 0) begin : signed_z
                assign fits  = wide[WIDE_BITS:Z_BITS-1] == {(WIDE_BITS-Z_BITS+2){negative}};
                assign least = ~({Z_BITS{1'b1}} >> 1);
            end else begin : unsigned_z
                assign fits  = wide[WIDE_BITS:Z_BITS] == {(WIDE_BITS-Z_BITS+1){1'b0}};
                assign least = {Z_BITS{1'b0}};
            end
            always @(posedge clk)
                if (step) begin
                    if (fits)          z <= wide[Z_BITS-1:0];
                    else if (negative) z <= least;
                    else               z <= Z_SIGNED != 0 ? ~least : {Z_BITS{1'b1}};
                end
            assign m_data[i*Z_BITS +: Z_BITS] = z;
            // The bits below what is kept of the sum and those above it.
            wire unused = &{1'b0, total};
        end
    endgenerate
endmodule

`default_nettype wire
