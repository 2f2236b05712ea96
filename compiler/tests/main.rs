//! The program and its files as a user meets them, in one program, which is linked once.

mod accounting;
mod artifacts;
mod discover;
mod eval;
mod images;
mod interrupt;
mod kernel;
mod kill;
mod limit;
mod lock;
mod numbers;
mod output;
mod report;
mod road;
mod shell;
mod signals;
mod sweep;
mod targets;
mod tasks;
mod text;
mod train;
mod verilog;
