//! The crate that runs Verilog from Rust, on designs that are no networks: ports of any width,
//! independent models, waveforms, ends of the simulation, refusals.

use std::path::Path;
use strassenc_tests::tools;
use strassenc_verilator::{Alone, Design, Error, Simulator, Toolchain};

fn toolchain() -> Toolchain {
    let tools = tools();
    Toolchain { verilator: tools.verilator().unwrap(), cxx: tools.cxx().unwrap() }
}

fn build(design: &Design, traced: bool) -> Result<Simulator, Error> {
    Simulator::build(design, traced, &toolchain(), tools().home().join("cache"), &Alone)
}

/// A pipeline of one register over ports of every size that Verilator has a type for.
const WIDTHS: [u32; 9] = [1, 7, 8, 9, 16, 31, 33, 64, 100];

fn echo() -> Design {
    let mut text = "module echo (input wire clk".to_string();
    for bits in WIDTHS {
        text += &format!(", input wire [{0}:0] x{bits}, output reg [{0}:0] y__{bits}", bits - 1);
    }
    text += ");\n";
    for bits in WIDTHS {
        text += &format!("always @(posedge clk) y__{bits} <= ~x{bits};\n");
    }
    Design::of("echo", [("echo.v", (text + "endmodule\n").as_str())])
}

#[test]
fn values_of_any_width_pass() {
    let simulator = build(&echo(), false).unwrap();
    let ports: Vec<(String, u32)> =
        simulator.ports().iter().map(|p| (p.name.clone(), p.bits)).collect();
    assert_eq!(ports.len(), 1 + 2 * WIDTHS.len());
    for bits in WIDTHS {
        assert!(ports.contains(&(format!("x{bits}"), bits)), "{ports:?}");
        assert!(ports.contains(&(format!("y__{bits}"), bits)), "{ports:?}");
    }
    let clk = simulator.input("clk").unwrap();
    let (mut one, mut other) =
        (simulator.model(1, None).unwrap(), simulator.model(2, None).unwrap());
    for bits in WIDTHS {
        let x = simulator.input(&format!("x{bits}")).unwrap();
        let y = simulator.output(&format!("y__{bits}")).unwrap();
        // More bits than there are: those above are dropped.
        let given: Vec<u8> = (0..16).map(|i| (37 * i + bits + 1) as u8).collect();
        one.set_bytes(x, &given);
        other.set(x, 0);
        one.tick(clk).unwrap();
        other.tick(clk).unwrap();
        let (got, zeros) = (one.get_bytes(y), other.get_bytes(y));
        for bit in 0..8 * got.len() {
            let (at, is_in) = (|b: &[u8]| b[bit / 8] >> (bit % 8) & 1, bit < bits as usize);
            let wanted = if is_in { 1 ^ at(&given) } else { 0 };
            assert_eq!(at(&got), wanted, "{bits} bits, bit {bit}");
            assert_eq!(at(&zeros), u8::from(is_in), "the other model, {bits} bits, bit {bit}");
        }
        if bits <= 64 {
            assert_eq!(other.get_signed(y), -1);
            assert_eq!(other.get(y), u64::MAX >> (64 - bits));
        }
    }
}

#[test]
fn ports_that_are_not_there_are_named() {
    let simulator = build(&echo(), false).unwrap();
    let told = simulator.input("y__8").unwrap_err().to_string();
    assert!(told.starts_with("port `y__8`: is not an input of the design, which has "), "{told}");
    assert!(told.contains("clk") && told.contains("x100"), "{told}");
    let told = simulator.output("z").unwrap_err().to_string();
    assert!(told.contains("y__100") && !told.contains("clk"), "{told}");
    let told = simulator.bench(&[], &[("m_axis", 1)], 1, None).err().unwrap().to_string();
    assert_eq!(told, "port `aclk`: is needed by the bench, and the design lacks it");
}

const COUNTER: &str = "module counter (input wire clk, output reg [7:0] n);
    initial n = 0;
    always @(posedge clk) begin
        n <= n + 1;
        if (n == 200) $finish;
    end
endmodule
";

#[test]
fn a_waveform_holds_every_clock_and_an_end_is_an_error() {
    let design = Design::of("counter", [("counter.v", COUNTER)]);
    let simulator = build(&design, true).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wave = folder.path().join("counter.vcd");
    let clk = simulator.input("clk").unwrap();
    let n = simulator.output("n").unwrap();
    let mut model = simulator.model(1, Some(&wave)).unwrap();
    for clock in 1..=200 {
        model.tick(clk).unwrap();
        assert_eq!(model.get(n), clock);
    }
    let told = model.tick(clk).unwrap_err().to_string();
    assert!(told.contains("counter.v:5: $finish"), "{told}");
    drop(model);
    let text = std::fs::read_to_string(&wave).unwrap();
    // A rising edge every 10 units, and n in binary behind it.
    for clock in 1..=200u64 {
        assert!(text.contains(&format!("\n#{}\n", 10 * clock - 5)), "clock {clock}");
        assert!(text.contains(&format!("\nb{clock:08b} ")), "clock {clock}");
    }
    let told = simulator.model(1, Some(Path::new("/nowhere/a.vcd"))).unwrap_err().to_string();
    assert!(told.contains("/nowhere/a.vcd: cannot be written"), "{told}");
    let untraced = build(&design, false).unwrap();
    let told = untraced.model(1, Some(&wave)).unwrap_err().to_string();
    assert!(told.contains("without tracing"), "{told}");
}

/// A stream without `tlast`, `tuser` and the like: a register that doubles.
const DOUBLE: &str = "module double (
    input wire aclk, input wire aresetn,
    input wire s_axis_tvalid, output wire s_axis_tready, input wire [7:0] s_axis_tdata,
    output reg m_axis_tvalid, input wire m_axis_tready, output reg [15:0] m_axis_tdata
);
    assign s_axis_tready = aresetn & (m_axis_tready | ~m_axis_tvalid);
    always @(posedge aclk) begin
        if (s_axis_tready) begin
            m_axis_tvalid <= s_axis_tvalid;
            m_axis_tdata <= {7'd0, s_axis_tdata, 1'b0};
        end
        if (!aresetn) m_axis_tvalid <= 0;
    end
endmodule
";

#[test]
fn a_bench_drives_streams_of_the_fewest_ports() {
    use strassenc_verilator::axi_stream::{Given, Progress, Stimulus};
    let design = Design::of("double", [("double.v", DOUBLE)]);
    let simulator = build(&design, false).unwrap();
    for (gaps, stalls) in [(false, false), (true, true)] {
        let mut bench = simulator.bench(&[("s_axis", 1)], &[("m_axis", 2)], 3, None).unwrap();
        bench.reset(2).unwrap();
        let data: Vec<u8> = (0..=255).collect();
        let flags = vec![0; data.len()];
        let expected = vec![data.len()];
        let patience = 1000;
        bench
            .start(Stimulus {
                inputs: vec![Given { data, flags }],
                expected,
                patience,
                gaps,
                stalls,
                linger: 10,
                seed: 5,
                ..Stimulus::default()
            })
            .unwrap();
        assert_eq!(bench.run(100_000).unwrap(), Progress::Done);
        let response = bench.finish();
        let doubled: Vec<u8> = (0..=255u16).flat_map(|x| (2 * x).to_le_bytes()).collect();
        let [out] = &*response.outputs else { panic!("{response:?}") };
        assert_eq!(out.data, doubled);
        assert_eq!((out.produced, out.unstable), (256, None));
        if !gaps {
            assert!(
                out.taken.iter().zip(&response.inputs[0].clocks).all(|(out, at)| *out == at + 1)
            );
        }
    }
}

#[test]
fn what_verilator_refuses_and_names_with_folders_are_errors() {
    let broken = Design::of("counter", [("counter.v", "module counter (input clk; endmodule")]);
    let told = build(&broken, false).unwrap_err();
    let Error::Refused { top, cause } = &told else { panic!("{told}") };
    assert!(top == "counter" && cause.contains("counter.v:1"), "{told}");
    for name in ["../counter.v", "-f", "a/b.v"] {
        let told = build(&Design::of("counter", [(name, COUNTER)]), false).unwrap_err();
        assert!(told.to_string().contains("is not the name of a file"), "{told}");
    }
}
