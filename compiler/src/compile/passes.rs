//! The passes by name, and the levels that they yield: the one list that the compiler,
//! `strassenc verilog --help` and `ARCHITECTURE.md` share.

use clap::ValueEnum;
use std::fmt;
use strassenc_runtime::Result;

/// A pass of the compiler; passes run in this order. Users read these sentences in the program's
/// help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Pass {
    /// Lowers the model to layers on edges, each linear one with the kernel of a window
    Lower,
    /// Chooses the engine of every layer for which --engines gives none
    Engines,
    /// Takes out channels that nobody reads, or that never vary
    Prune,
    /// Finds the common sums of every matrix of an unrolled layer, and proves them
    Share,
    /// Cuts every folded layer into clocks, fills its ROMs, and proves them
    Fold,
    /// Chooses what multiplies: hardware multipliers, or shifts and additions
    Multiply,
    /// Joins the sums of an unrolled layer to its circuit, and proves it
    Build,
    /// Gives every node of a circuit its pipeline stage
    Schedule,
    /// Joins the engines by streams, with storage and changes of width between them
    Assemble,
    /// Runs the streams clock by clock, and gives every FIFO its depth
    Time,
}

/// A level that passes yield, and that is printed as text and read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// The network: layers on edges, and the operations of each kernel
    Dataflow,
    /// The engine of every layer, as in engines.toml
    Engines,
    /// The adder graphs of the matrices of unrolled layers, a node a line
    AdderGraphs,
    /// The circuits of unrolled layers, a node a line
    Circuits,
    /// The pipelines of these circuits, the stage of a node a line
    Pipelines,
    /// The folded layers: how each is cut, and a word of each ROM a line
    Folded,
    /// The whole core: primitives and pipelines joined by streams, one of them a line
    Streams,
}

impl Pass {
    /// Every pass, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Pass> {
        Pass::value_variants().iter().copied()
    }

    /// The level that the pass yields.
    pub fn level(self) -> Level {
        match self {
            Pass::Lower | Pass::Prune => Level::Dataflow,
            Pass::Engines => Level::Engines,
            Pass::Share => Level::AdderGraphs,
            Pass::Build => Level::Circuits,
            Pass::Schedule => Level::Pipelines,
            Pass::Fold | Pass::Multiply => Level::Folded,
            Pass::Assemble | Pass::Time => Level::Streams,
        }
    }

    /// A sentence of what the pass does, without its full stop.
    pub fn description(self) -> String {
        told(&self)[1].clone()
    }

    /// Passes on what came of the check of the pass's result; an error's place then begins with the
    /// pass.
    pub(super) fn checked<T>(self, result: Result<T>) -> Result<T> {
        result.map_err(|e| e.within(format_args!("after {self}")))
    }
}

impl Level {
    /// The passes that yield the level: the first one makes it, the others change it.
    pub fn passes(self) -> impl DoubleEndedIterator<Item = Pass> {
        Pass::all().filter(move |pass| pass.level() == self)
    }

    /// A phrase of what the level is, without a full stop.
    pub fn description(self) -> String {
        told(&self)[1].clone()
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(self)[0])
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(self)[0])
    }
}

/// The name and the description of a value of the command line that is not hidden.
fn told(value: &impl ValueEnum) -> [String; 2] {
    let told = value.to_possible_value().unwrap_or_default();
    [told.get_name().into(), told.get_help().map(ToString::to_string).unwrap_or_default()]
}
