// strassenc_shift_add_bank: m = round(coefficient * u / 2^SHIFT), half up, in every lane, without a
// multiplier: a coefficient is the sum of TERMS signed digits from a ROM, and so many shifted
// copies of u are added.
//
// Each word accepted meets the ROM word of the running address, 0 to DEPTH - 1 and again from 0.
// The ROM lies outside: rom_data is the word of the rom_address that rom_enable was last high with,
// one clock later, and stands until rom_enable is high again. A lane of it has TERMS digits
// {amount, weight}, the first one in the low bits: a weight of 1 or -1 times 2^amount, or nothing
// where it is 0; amounts are unsigned, and there are none if AMOUNT_BITS is 0. Lane 0 lies in the
// low bits. SHIFT is at least 0. M_BITS holds every m that can occur; nothing is saturated. The
// user bit passes along.
// Latency: 3 clocks, as of strassenc_multiplier_bank: u and its negative, the shifted copies, m;
// the last one adds TERMS copies and the rounding. Everything moves while m_valid is low or m_ready
// is high. Reset touches control only. clken low freezes it.
`default_nettype none

module strassenc_shift_add_bank #(
    parameter LANES       = 4,
    parameter U_BITS      = 16,
    parameter U_SIGNED    = 1,
    parameter TERMS       = 2,
    parameter AMOUNT_BITS = 3,
    parameter SHIFT       = 0,
    parameter M_BITS      = 24,
    parameter DEPTH       = 1
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
    input  wire [LANES*TERMS*(AMOUNT_BITS+2)-1:0]     rom_data
);
    localparam        ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;
    localparam [31:0] LAST_ADDRESS = DEPTH - 1;
    localparam [31:0] ONE          = 1;
    localparam        DIGIT_BITS   = AMOUNT_BITS + 2;
    // A sign bit in front, so that the negative fits too.
    localparam        X_BITS       = U_BITS + 1;
    // m and the bits that are rounded away: copies and sums may wrap, since m does not.
    localparam        WORK_BITS    = M_BITS + SHIFT;
    // What rounds half up.
    localparam [WORK_BITS-1:0] UNIT = 1;
    localparam [WORK_BITS-1:0] HALF = (UNIT << SHIFT) >> 1;

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
                else
                    address <= address + ONE[ADDRESS_BITS-1:0];
            end
            valid <= {valid[1:0], s_valid};
        end

    always @(posedge clk) if (step) user <= {user[1:0], s_user};

    genvar i, k;
    generate
        for (i = 0; i < LANES; i = i + 1) begin : lane
            wire [X_BITS-1:0] operand;
            assign operand[U_BITS-1:0] = s_data[i*U_BITS +: U_BITS];
            assign operand[U_BITS]     = U_SIGNED != 0 ? s_data[i*U_BITS+U_BITS-1] : 1'b0;

            reg [X_BITS-1:0] plus;
            reg [X_BITS-1:0] minus;
            always @(posedge clk)
                if (step) begin
                    plus  <= operand;
                    minus <= {X_BITS{1'b0}} - operand;
                end

            wire [TERMS*WORK_BITS-1:0] copies;
            for (k = 0; k < TERMS; k = k + 1) begin : digit
                localparam AT = (i * TERMS + k) * DIGIT_BITS;

                wire [X_BITS-1:0]           x = rom_data[AT+1] ? minus : plus;
                wire [WORK_BITS+X_BITS-1:0] wide = {{WORK_BITS{x[X_BITS-1]}}, x};
                wire [WORK_BITS-1:0]        shifted;
                if (AMOUNT_BITS == 0) begin : fixed
                    assign shifted = wide[WORK_BITS-1:0];
                end else begin : variable
                    assign shifted = wide[WORK_BITS-1:0] << rom_data[AT+2 +: AMOUNT_BITS];
                end
                // The bits above those that reach m.
                wire unused = &{1'b0, wide};

                reg [WORK_BITS-1:0] copy;
                always @(posedge clk)
                    if (step) begin
                        if (!rom_data[AT]) copy <= {WORK_BITS{1'b0}};
                        else               copy <= shifted;
                    end
                assign copies[k*WORK_BITS +: WORK_BITS] = copy;
            end

            reg [WORK_BITS-1:0] sum;
            integer             t;
            always @* begin
                sum = HALF;
                for (t = 0; t < TERMS; t = t + 1) sum = sum + copies[t*WORK_BITS +: WORK_BITS];
            end

            reg [M_BITS-1:0] result;
            always @(posedge clk) if (step) result <= sum[SHIFT +: M_BITS];
            assign m_data[i*M_BITS +: M_BITS] = result;
            // The bits below m.
            wire unused = &{1'b0, sum};
        end
    endgenerate
endmodule

`default_nettype wire
