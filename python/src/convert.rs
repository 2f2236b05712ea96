//! Values and errors of the two sides.

use ndarray::Array2;
use numpy::{PyArray2, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use serde::Serialize;
use strassenc_runtime::{Error, Kind, Network, Result};

/// W_b, a, W_c and b of a layer.
pub type Arrays<'py> = (
    PyReadonlyArray2<'py, f64>,
    PyReadonlyArray1<'py, f64>,
    PyReadonlyArray2<'py, f64>,
    PyReadonlyArray1<'py, f64>,
);

/// The error as an exception: `strassenc.Error`, or KeyboardInterrupt.
pub fn raised(py: Python<'_>, error: &Error) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    if error.kind() == Kind::Interrupted {
        return PyKeyboardInterrupt::new_err(());
    }
    let class = match CLASS.import(py, "strassenc._error", "Error") {
        Ok(class) => class,
        Err(missing) => return missing,
    };
    let parts = (error.kind().word(), error.place(), error.cause(), error.way_out());
    class.call1(parts).map_or_else(|e| e, PyErr::from_value)
}

/// A value as JSON.
pub fn json(py: Python<'_>, value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|e| raised(py, &Error::internal("JSON", e)))
}

/// The network that a description in JSON, with the keys of one in TOML, says.
pub fn described(json: &str) -> Result<Network> {
    let place = "description";
    let value: toml::Value =
        serde_json::from_str(json).map_err(|e| Error::input(place, format_args!("{e}")))?;
    let text = toml::to_string(&value).map_err(|e| Error::input(place, format_args!("{e}")))?;
    Network::parse(place, &text)
}

/// The rows of an array.
pub fn rows(array: Array2<i64>) -> Vec<Vec<i64>> {
    array.outer_iter().map(|row| row.to_vec()).collect()
}

/// The array of rows of `width` elements.
pub fn array<'py>(
    py: Python<'py>,
    rows: &[Vec<i64>],
    width: usize,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let array: Result<_> = Array2::from_shape_vec((rows.len(), width), rows.concat())
        .map_err(|e| Error::internal("outputs", e));
    array.map(|array| PyArray2::from_owned_array(py, array)).map_err(|e| raised(py, &e))
}
