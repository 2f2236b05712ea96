// What the proofs of streams share.
//
// Whether items are lost, doubled or overtaken is seen in their colours: white, then one red, then
// blue ones only. Which item is red is free, so the proof holds for each of them, and since nothing
// in a primitive depends on data, for all data.
`default_nettype none

// Reset in the first clock, and whenever `free` is high.
module reset (
    input  wire clk,
    input  wire free,
    output wire rst
);
    reg started = 1'b0;
    always @(posedge clk) started <= 1'b1;
    assign rst = free | !started;
endmodule

// Gives words of up to ITEMS items, `items` of which count, the first in the low bits. A word that
// is offered stays until it is taken, and what is not offered may be anything.
module giver #(
    parameter ITEMS = 1
) (
    input  wire               clk,
    input  wire               clken,
    input  wire               rst,
    // Free: whether a word is offered; whether the red item is in it, and where.
    input  wire               offer,
    input  wire               paint,
    input  wire [2:0]         place,
    input  wire [2:0]         items,
    output wire               valid,
    input  wire               ready,
    output reg  [2*ITEMS-1:0] data
);
    reg         waits, waiting_red, red_given;
    reg [2:0]   waiting_place;
    wire        red = waits ? waiting_red : paint;
    wire  [2:0] at  = waits ? waiting_place : place;
    integer     i;

    assign valid = waits | offer;

    always @*
        for (i = 0; i < ITEMS; i = i + 1)
            data[2*i+:2] = red_given | (red & i > at) ? 2'd2 : red & i == at ? 2'd1 : 2'd0;

    always @(posedge clk) begin
        waits         <= !rst & valid & !(ready & clken);
        waiting_red   <= red;
        waiting_place <= at;
        if (rst) red_given <= 1'b0;
        else if (clken & valid & ready & red & at < items) red_given <= 1'b1;
    end
endmodule

// Takes words of up to ITEMS items, `items` of which count: bad where they do not have the giver's
// order, or where an offer is taken back.
module taker #(
    parameter ITEMS = 1
) (
    input  wire               clk,
    input  wire               clken,
    input  wire               rst,
    input  wire               valid,
    input  wire               ready,
    input  wire [2:0]         items,
    input  wire [2*ITEMS-1:0] data,
    output wire               bad
);
    reg     waits, red_taken, red, wrong;
    integer i;

    always @* begin
        red   = red_taken;
        wrong = 1'b0;
        for (i = 0; i < ITEMS; i = i + 1)
            if (i < items) begin
                wrong = wrong | (red ? data[2*i+:2] != 2'd2 : data[2*i+1]);
                red   = red | data[2*i];
            end
    end
    assign bad = !rst & (valid ? wrong : waits);

    always @(posedge clk) begin
        waits <= !rst & valid & !(ready & clken);
        if (rst) red_taken <= 1'b0;
        else if (clken & valid & ready) red_taken <= red;
    end
endmodule

// The items that were given and not yet taken.
module count (
    input  wire       clk,
    input  wire       clken,
    input  wire       rst,
    input  wire [2:0] enter,
    input  wire [2:0] leave,
    output reg  [5:0] held
);
    always @(posedge clk)
        if (rst) held <= 6'd0;
        else if (clken) held <= held + enter - leave;
endmodule

`default_nettype wire
