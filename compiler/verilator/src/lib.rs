//! Verilog in Rust: [Verilator](https://verilator.org) makes C++ of it, the C++ compiler a shared
//! library, and this crate builds, keeps, loads, evaluates and traces it.
//!
//! - [`Simulator::build`] makes the library of a [`Design`], or finds it in a cache that is keyed
//!   on the content of all that goes into it.
//! - A [`Model`] is one instance: [`set`](Model::set) inputs, [`eval`](Model::eval),
//!   [`get`](Model::get) outputs, or [`tick`](Model::tick) a clock. Ports may be of any width.
//! - An [`axi_stream::Bench`] drives a design with AXI4-Stream ports at full speed, in C++: beats
//!   in, beats out, with gaps, back pressure and the clock at which each beat passed.
//!
//! ```no_run
//! use strassenc_verilator::{Alone, Design, Simulator, Toolchain};
//!
//! let counter = "module counter(input wire clk, input wire up, output reg [7:0] n = 0);
//!     always @(posedge clk) if (up) n <= n + 1;
//! endmodule";
//! let design = Design::of("counter", [("counter.v", counter)]);
//! let toolchain = Toolchain::find(&Alone)?;
//! let simulator = Simulator::build(&design, false, &toolchain, "target/verilator", &Alone)?;
//! let (clk, up, n) = (simulator.input("clk")?, simulator.input("up")?, simulator.output("n")?);
//! let mut model = simulator.model(1, None)?;
//! model.set(up, 1);
//! for _ in 0..10 {
//!     model.tick(clk)?;
//! }
//! assert_eq!(model.get(n), 10);
//! # Ok::<(), strassenc_verilator::Error>(())
//! ```
//!
//! All unsafe code of the workspace that calls foreign code is in one file, `foreign.rs`.

pub mod axi_stream;
mod build;
mod error;
mod foreign;
mod host;
mod port;
pub mod seal;
mod toolchain;

pub use error::Error;
pub use foreign::Model;
pub use host::{Alone, Failure, Host, Step};
pub use port::{Input, Output, Port};
pub use toolchain::{Cxx, Toolchain, Verilator};

use foreign::Library;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Verilog with its top module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Design {
    /// The top module.
    pub top: String,
    /// Names and contents of the Verilog files, in the order that Verilator is to read them. A name
    /// has no folder in it.
    pub files: Vec<(String, Vec<u8>)>,
    /// Names and contents of the files that the Verilog reads with `$readmemh`.
    pub memories: Vec<(String, Vec<u8>)>,
    /// The macro that holds the folder of the memories, as a string; a library runs anywhere.
    pub memory_macro: Option<String>,
}

impl Design {
    /// A design of these files, `(name, content)`, without memories.
    pub fn of<'a>(top: &str, files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let file = |(name, text): (&str, &str)| (name.to_string(), text.as_bytes().to_vec());
        Design { top: top.into(), files: files.into_iter().map(file).collect(), ..Self::default() }
    }
}

/// A design that is compiled and loaded. Clones share the library.
#[derive(Clone, Debug)]
pub struct Simulator {
    library: Arc<Library>,
    /// Whether the library was in the cache.
    pub cached: bool,
    /// How long it took to build the library, or to find it.
    pub elapsed: Duration,
}

impl Simulator {
    /// Builds the library of `design` into the folder `cache`, or finds it there. A `traced` one
    /// can write waveforms; it is slower and builds longer. Processes that build into one cache
    /// wait for each other where they build the same.
    ///
    /// # Errors
    /// Where Verilator refuses the Verilog, the C++ compiler fails, the cache cannot be written, or
    /// the host stops the work.
    pub fn build(
        design: &Design,
        traced: bool,
        toolchain: &Toolchain,
        cache: impl AsRef<Path>,
        host: &dyn Host,
    ) -> Result<Self, Error> {
        let cache = cache.as_ref();
        let mut built = build::build(design, traced, toolchain, cache, host)?;
        let library = match Library::load(&built.library) {
            Err(_) if built.cached => {
                // Made for another machine that shares the folder.
                build::discard(&built);
                built = build::build(design, traced, toolchain, cache, host)?;
                Library::load(&built.library)?
            }
            loaded => loaded?,
        };
        Ok(Simulator { library: Arc::new(library), cached: built.cached, elapsed: built.elapsed })
    }

    /// The ports of the top module, in Verilator's order.
    pub fn ports(&self) -> &[Port] {
        self.library.ports()
    }

    /// The input called `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn input(&self, name: &str) -> Result<Input, Error> {
        port::input(self.ports(), name)
    }

    /// The output called `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn output(&self, name: &str) -> Result<Output, Error> {
        port::output(self.ports(), name)
    }

    /// An instance of the design just after power-on. `seed` decides what registers without an
    /// initial value hold. A traced simulator writes every signal to the VCD file `wave` whenever
    /// the model is [dumped](Model::dump).
    ///
    /// # Errors
    /// Where the waveform cannot be written, or the simulator is not traced.
    pub fn model(&self, seed: u64, wave: Option<&Path>) -> Result<Model, Error> {
        Model::new(&self.library, seed, wave)
    }

    /// An instance within a bench that drives its AXI4-Stream ports. `inputs` and `outputs` are
    /// what the ports of each begin with, and the bytes of `tdata` of one of its beats. All that
    /// the design has are named.
    ///
    /// # Errors
    /// As [`model`](Self::model), and where the design lacks a port of [`axi_stream::PORTS`].
    pub fn bench(
        &self,
        inputs: &[(&str, usize)],
        outputs: &[(&str, usize)],
        seed: u64,
        wave: Option<&Path>,
    ) -> Result<axi_stream::Bench, Error> {
        if let Some(name) =
            axi_stream::PORTS.iter().find(|n| self.ports().iter().all(|p| p.name != **n))
        {
            return Err(Error::port(name, "is needed by the bench, and the design lacks it"));
        }
        let inputs = places("input", inputs, &axi_stream::inputs(self.ports()))?;
        let outputs = places("output", outputs, &axi_stream::outputs(self.ports()))?;
        let mut model = self.model(seed, wave)?;
        // Inputs that the bench does not know are left alone.
        for port in self.ports() {
            if let Ok(input) = self.input(&port.name) {
                model.set_bytes(input, &[]);
            }
        }
        axi_stream::Bench::new(model, inputs, outputs)
    }
}

/// Of each stream that is named, the place among all those of the design, and the bytes.
fn places(what: &str, named: &[(&str, usize)], all: &[&str]) -> Result<Vec<(usize, usize)>, Error> {
    let place = |(name, bytes): &(&str, usize)| {
        let place = all.iter().position(|own| own == name);
        let lacks = || Error::port(name, format!("is an {what} that the design lacks"));
        Ok((place.ok_or_else(lacks)?, *bytes))
    };
    let places: Vec<(usize, usize)> = named.iter().map(place).collect::<Result<_, Error>>()?;
    match (0..all.len()).find(|i| places.iter().filter(|p| p.0 == *i).count() != 1) {
        Some(i) => Err(Error::port(all[i], format!("is an {what} that has to be named once"))),
        None => Ok(places),
    }
}
