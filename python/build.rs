//! Lets the module find Python's symbols when it is loaded, as some systems want it said.

fn main() {
    pyo3_build_config::add_extension_module_link_args();
}
