//! The `strassenc` program.

fn main() -> std::process::ExitCode {
    strassenc::cli::main(std::env::args_os()).into()
}
