// strassenc_merge: the COUNT first entries of two lists, each of which is in order.
//
// An entry is a key of KEY_BITS, an unsigned number, above a tag of TAG_BITS. Entries with larger
// keys are before those with smaller ones; of equal keys, those of a are before those of b. The
// first entry of a list is in the low bits. COUNT is at most A + B.
// Combinational: each entry of a is compared with each of b at once.
`default_nettype none

module strassenc_merge #(
    parameter KEY_BITS = 8,
    parameter TAG_BITS = 2,
    parameter A        = 1,
    parameter B        = 1,
    parameter COUNT    = 1
) (
    input  wire [A*(KEY_BITS+TAG_BITS)-1:0]     a,
    input  wire [B*(KEY_BITS+TAG_BITS)-1:0]     b,
    output reg  [COUNT*(KEY_BITS+TAG_BITS)-1:0] m
);
    localparam BITS = KEY_BITS + TAG_BITS;

    wire [(A+B)*BITS-1:0]  both = {b, a};
    // Bit i*B+j: entry j of b is before entry i of a.
    wire [A*B-1:0]         ahead;
    // Bit p*(A+B)+e: entry e of both is the one at p.
    wire [COUNT*(A+B)-1:0] at;
    // Those of entries that are beyond COUNT wherever they are decide nothing.
    wire                   unused = &{1'b0, ahead, both};

    genvar i, j, p;
    generate
        for (i = 0; i < A; i = i + 1) begin : of_a
            for (j = 0; j < B; j = j + 1) begin : of_b
                assign ahead[i*B+j] =
                    b[j*BITS+TAG_BITS +: KEY_BITS] > a[i*BITS+TAG_BITS +: KEY_BITS];
            end
        end

        // An entry is at p where so many of both lists are before it: of its own list those that
        // are, and of the other one the rest.
        for (p = 0; p < COUNT; p = p + 1) begin : place
            for (i = 0; i < A; i = i + 1) begin : of_a
                if (i > p || p - i > B) begin : never
                    assign at[p*(A+B)+i] = 1'b0;
                end else begin : maybe
                    wire enough, no_more;
                    if (p == i) begin : none
                        assign enough = 1'b1;
                    end else begin : some
                        assign enough = ahead[i*B+p-i-1];
                    end
                    if (p - i == B) begin : all
                        assign no_more = 1'b1;
                    end else begin : rest
                        assign no_more = !ahead[i*B+p-i];
                    end
                    assign at[p*(A+B)+i] = enough & no_more;
                end
            end
            for (j = 0; j < B; j = j + 1) begin : of_b
                if (j > p || p - j > A) begin : never
                    assign at[p*(A+B)+A+j] = 1'b0;
                end else begin : maybe
                    wire enough, no_more;
                    if (p == j) begin : none
                        assign enough = 1'b1;
                    end else begin : some
                        assign enough = !ahead[(p-j-1)*B+j];
                    end
                    if (p - j == A) begin : all
                        assign no_more = 1'b1;
                    end else begin : rest
                        assign no_more = ahead[(p-j)*B+j];
                    end
                    assign at[p*(A+B)+A+j] = enough & no_more;
                end
            end
        end
    endgenerate

    integer q, e;
    always @* begin
        m = {COUNT*BITS{1'b0}};
        for (q = 0; q < COUNT; q = q + 1)
            for (e = 0; e < A + B; e = e + 1)
                m[q*BITS +: BITS] = m[q*BITS +: BITS]
                    | (both[e*BITS +: BITS] & {BITS{at[q*(A+B)+e]}});
    end
endmodule

`default_nettype wire
