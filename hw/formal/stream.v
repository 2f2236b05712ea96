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

// Gives frames of WORDS words to primitives that put them in another order. In each frame the word
// number `shown`, any, has the frame's colour, all others have OTHER. Frames are painted as items
// are: white, then one red, then blue ones only. The user bit of a frame's first word says whether
// it is red, those of the others may be anything.
module frame_giver #(
    parameter WORDS = 1
) (
    input  wire       clk,
    input  wire       clken,
    input  wire       rst,
    // Free: whether a word is offered; whether the frame that begins is red; user bits.
    input  wire       offer,
    input  wire       paint,
    input  wire       any_user,
    input  wire [4:0] shown,
    output wire       valid,
    input  wire       ready,
    output wire [2:0] data,
    output wire       user
);
    localparam OTHER = 3'd3;

    reg        waits, waiting_red, waiting_user, red_given, frame_red;
    reg  [4:0] word;
    wire       first = word == 5'd0;
    wire       last  = word == WORDS - 1;
    wire       red   = !first ? frame_red : waits ? waiting_red : paint & !red_given;

    assign valid = waits | offer;
    assign data  = word != shown ? OTHER : red ? 3'd1 : red_given ? 3'd2 : 3'd0;
    assign user  = first ? red : waits ? waiting_user : any_user;

    always @(posedge clk) begin
        waits        <= !rst & valid & !(ready & clken);
        waiting_red  <= red;
        waiting_user <= user;
        if (rst) begin
            word      <= 5'd0;
            red_given <= 1'b0;
        end else if (clken & valid & ready) begin
            word      <= last ? 5'd0 : word + 5'd1;
            frame_red <= red;
            if (last) red_given <= red_given | red;
        end
    end
endmodule

// Takes what becomes of such frames: each word that leaves is said to be the word number `number`
// of its frame, or OUTSIDE of it. Bad where a word is another one, where a frame's words are not of
// one frame, where frames are lost, doubled or overtaken, where an offer is taken back or changed,
// and where the user bit is not that of the frame, on the first word that leaves.
module frame_taker (
    input  wire       clk,
    input  wire       clken,
    input  wire       rst,
    input  wire       valid,
    input  wire       ready,
    input  wire [4:0] shown,
    input  wire [4:0] number,
    input  wire       outside,
    input  wire       first,
    input  wire       last,
    input  wire [2:0] data,
    input  wire       user,
    output wire       bad
);
    localparam OTHER   = 3'd3;
    localparam OUTSIDE = 3'd4;

    reg        waits, red_taken, first_user, held_user;
    reg  [2:0] held;
    wire       is_shown = !outside & number == shown;
    wire       of_red   = first ? user : first_user;
    // What the colour may be: that of the frame, which the user bit tells, too.
    wire       right    = of_red ? data == 3'd1 & !red_taken : data == (red_taken ? 3'd2 : 3'd0);
    wire       wrong    = (is_shown ? !right : data != (outside ? OUTSIDE : OTHER))
                          | (first ? user & red_taken : user)
                          | (waits & (data != held | user != held_user));
    assign bad = !rst & (valid ? wrong : waits);

    always @(posedge clk) begin
        waits     <= !rst & valid & !(ready & clken);
        held      <= data;
        held_user <= user;
        if (rst) red_taken <= 1'b0;
        else if (clken & valid & ready) begin
            first_user <= of_red;
            if (last & of_red) red_taken <= 1'b1;
        end
    end
endmodule

// Bad where nothing has moved for more than CLOCKS clocks, although a word is offered and one is
// wanted.
module stuck #(
    parameter CLOCKS = 3
) (
    input  wire clk,
    input  wire clken,
    input  wire rst,
    input  wire wanted,
    input  wire moves,
    output wire bad
);
    reg [2:0] idle;
    assign bad = !rst & idle > CLOCKS;
    always @(posedge clk)
        if (rst) idle <= 3'd0;
        else if (clken) idle <= wanted & !moves ? idle + {2'd0, !(&idle)} : 3'd0;
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

// The streams of what makes one word of each: gives items and takes them, one a word, and counts
// those that are held. Bad where the taker finds it so, or where nothing moves that could.
module one_by_one (
    input  wire       clk,
    input  wire       clken,
    input  wire       rst,
    input  wire       offer,
    input  wire       paint,
    output wire       s_valid,
    input  wire       s_ready,
    output wire [1:0] s_data,
    input  wire       m_valid,
    input  wire       m_ready,
    // The colour of the word that leaves.
    input  wire [1:0] m_data,
    output wire [5:0] held,
    output wire       bad
);
    wire taker_bad, stuck_bad;
    assign bad = taker_bad | stuck_bad;

    giver giver (
        .clk(clk), .clken(clken), .rst(rst), .offer(offer), .paint(paint), .place(3'd0),
        .items(3'd1), .valid(s_valid), .ready(s_ready), .data(s_data)
    );
    taker taker (
        .clk(clk), .clken(clken), .rst(rst), .valid(m_valid), .ready(m_ready), .items(3'd1),
        .data(m_data), .bad(taker_bad)
    );
    count count (
        .clk(clk), .clken(clken), .rst(rst), .enter({2'd0, s_valid & s_ready}),
        .leave({2'd0, m_valid & m_ready}), .held(held)
    );
    stuck stuck (
        .clk(clk), .clken(clken), .rst(rst), .wanted(s_valid & m_ready), .moves(s_ready),
        .bad(stuck_bad)
    );
endmodule

`default_nettype wire
