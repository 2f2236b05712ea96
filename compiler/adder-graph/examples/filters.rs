//! Shares the taps of a bank of FIR filters: multiplications by constants become few additions.
//!
//!     cargo run --release -p strassenc-adder-graph --example filters

use strassenc_adder_graph::interval::Interval;
use strassenc_adder_graph::{Effort, Operands, Options, naive_adders, prove, share};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Four low-pass filters of nine taps, `[filters, taps]`, in units of 2^-8.
    let taps = ndarray::arr2(&[
        [3, 12, 27, 42, 48, 42, 27, 12, 3],
        [-2, 0, 22, 66, 88, 66, 22, 0, -2],
        [-4, -12, 10, 76, 116, 76, 10, -12, -4],
        [5, -8, -13, 72, 144, 72, -13, -8, 5],
    ]);
    let found = share(&taps, &Options { effort: Effort(2), ..Options::default() });
    prove(&found.graph, &taps)?;
    let samples = [Interval::new(-128, 127); 9];
    let mut out = std::io::stdout().lock();
    use std::io::Write;
    writeln!(out, "{} additions without sharing", naive_adders(&taps, Operands::Two))?;
    writeln!(out, "{} additions after sharing, proved", found.graph.adders())?;
    writeln!(out, "{} additions on the longest path", found.graph.depth())?;
    writeln!(out, "{} bits of sums of 8-bit samples", found.graph.lut_bits(&samples))?;
    Ok(())
}
