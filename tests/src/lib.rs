//! Helpers of the tests that cross stages; the tests themselves are in `tests/tests/`.

pub mod models;

pub use models::{Recipe, inputs, random_model, recipes};

/// The tools that `strassenc doctor --install` installed for this user, and those on the search path.
pub fn tools() -> strassenc::tools::Tools {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(std::path::PathBuf::from);
    let home = variable("STRASSENC_HOME").or_else(|| variable("HOME").map(|home| home.join(".strassenc")));
    strassenc::tools::Tools::new(home.unwrap_or_default())
}
