//! Runs Euclid's algorithm in Verilog, compares it with Rust's, and writes a waveform.
//!
//!     cargo run --release -p strassenc-verilator --example gcd [WAVE.vcd]

use std::io::Write;
use std::path::PathBuf;
use strassenc_verilator::{Alone, Design, Error, Simulator, Toolchain};

const GCD: &str = "
// start takes a and b; ready is high once y is their greatest common divisor.
module gcd (
    input wire clk, input wire start, input wire [31:0] a, input wire [31:0] b,
    output wire ready, output reg [31:0] y
);
    reg [31:0] rest;
    assign ready = rest == 0;
    always @(posedge clk)
        if (start) begin y <= a; rest <= b; end
        else if (!ready) begin
            if (y > rest) y <= y - rest;
            else if (y == rest) rest <= 0;
            else begin y <= rest; rest <= y; end
        end
endmodule
";

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wave = std::env::args_os().nth(1).map(PathBuf::from);
    let design = Design::of("gcd", [("gcd.v", GCD)]);
    let toolchain = Toolchain::find(&Alone)?;
    let cache = std::env::temp_dir().join("verilator-gcd");
    let simulator = Simulator::build(&design, wave.is_some(), &toolchain, cache, &Alone)?;
    let mut model = simulator.model(1, wave.as_deref())?;
    let clk = simulator.input("clk")?;
    let [start, a, b] = ["start", "a", "b"].map(|name| simulator.input(name));
    let (start, a, b) = (start?, a?, b?);
    let (ready, y) = (simulator.output("ready")?, simulator.output("y")?);

    let mut divisor = |x: u64, z: u64| -> Result<(u64, u32), Error> {
        model.set(a, x);
        model.set(b, z);
        model.set(start, 1);
        model.tick(clk)?;
        model.set(start, 0);
        let mut clocks = 1;
        while model.get(ready) == 0 {
            model.tick(clk)?;
            clocks += 1;
        }
        Ok((model.get(y), clocks))
    };
    let mut out = std::io::stdout().lock();
    for (x, z) in [(48, 36), (1071, 462), (17, 4), (1 << 20, 3 << 14)] {
        let (found, clocks) = divisor(x, z)?;
        writeln!(out, "gcd({x}, {z}) = {found}, in {clocks} clocks")?;
        assert_eq!(found, gcd(x, z));
    }
    Ok(())
}
