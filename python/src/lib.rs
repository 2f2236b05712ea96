//! The Python module `strassenc._strassenc`, which the package in `python/strassenc` stands on:
//! what the command line does, with arrays in place of files.
//!
//! Long work runs in a thread of its own, so that Python's Ctrl-C is seen and its bars are shown.

mod convert;
mod work;

use pyo3::prelude::*;

/// What the package `strassenc` is made of.
#[pymodule]
mod _strassenc {
    use crate::convert::{Arrays, array, described, raised, rows};
    use crate::work::work;
    use numpy::{PyArray1, PyArray2, PyReadonlyArray2, PyReadonlyArrayDyn};
    use pyo3::prelude::*;
    use std::collections::BTreeMap;
    use std::ffi::OsString;
    use std::path::PathBuf;
    use strassenc::build::{self, Edits};
    use strassenc::compile::Compiled;
    use strassenc::emit::{self, Signature};
    use strassenc::report::Report;
    use strassenc::simulate::{Simulator, Sources};
    use strassenc::{cli, simulate};
    use strassenc_runtime::data::Values;
    use strassenc_runtime::model::Edge;
    use strassenc_runtime::train::{self, Given, ImageCheckpoint, SequenceCheckpoint, Tensors};
    use strassenc_runtime::{files, model_file, onnx};

    /// Runs the program with these arguments, its name first; yields the exit status.
    #[pyfunction]
    fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| cli::main(arguments))
    }

    /// An integer network.
    #[pyclass(frozen)]
    struct Model(strassenc_runtime::Model);

    #[pymethods]
    impl Model {
        /// The model in a run folder or a file.
        #[staticmethod]
        fn load(py: Python<'_>, path: PathBuf) -> PyResult<Model> {
            work(py, || cli::load(&path)).map(Model)
        }

        /// The model of a description, in JSON, with layers of W_b, a, W_c and b, where samples
        /// `[n, elements]` decide formats.
        #[staticmethod]
        fn from_arrays(
            py: Python<'_>,
            description: &str,
            layers: Vec<Arrays<'_>>,
            x: PyReadonlyArray2<'_, f64>,
        ) -> PyResult<Model> {
            let own = |(w_b, a, w_c, bias): Arrays| Given {
                w_b: w_b.as_array().to_owned(),
                a: a.as_array().to_owned(),
                w_c: w_c.as_array().to_owned(),
                bias: bias.as_array().to_owned(),
            };
            let layers: Vec<Given> = layers.into_iter().map(own).collect();
            let x = Values::Double(x.as_array().to_owned());
            work(py, || train::given(&described(description)?, &layers, &x)).map(Model)
        }

        /// Writes the model file.
        fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
            work(py, || files::write(&path, &model_file::to_bytes(&self.0)?))
        }

        /// Writes its ONNX graph.
        fn export(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
            work(py, || onnx::save(&self.0, &path))
        }

        #[getter]
        fn name(&self) -> &str {
            &self.0.name
        }

        #[getter]
        fn input_shape(&self) -> Vec<usize> {
            self.0.input.shape.clone()
        }

        /// The name and the shape of each input: `x`, then `x_NAME` of each further one.
        #[getter]
        fn inputs(&self) -> Vec<(String, Vec<usize>)> {
            let named = |(name, edge): (Option<&str>, &Edge)| {
                (name.map_or("x".into(), |name| format!("x_{name}")), edge.shape.clone())
            };
            self.0.inputs().into_iter().map(named).collect()
        }

        /// Whether it is signed, its bits, and its fractional bits.
        #[getter]
        fn input_format(&self) -> (bool, u32, i32) {
            let format = self.0.input.format;
            (format.signed, format.bits, format.frac)
        }

        /// Whether a state goes from one sample to the next.
        #[getter]
        fn recurrent(&self) -> bool {
            self.0.is_recurrent()
        }

        /// That of one step, of a model of signals.
        fn steps(&self, py: Python<'_>) -> PyResult<Model> {
            work(py, || self.0.steps()).map(Model)
        }

        #[getter]
        fn outputs(&self) -> usize {
            self.0.outputs()
        }

        /// The frac of each output, those of heads behind those of the last layer.
        #[getter]
        fn output_fracs(&self) -> Vec<i32> {
            let streams = self.0.streams().into_iter();
            streams.flat_map(|(_, shape, f)| vec![f.frac; shape.elements()]).collect()
        }

        #[getter]
        fn sha256(&self, py: Python<'_>) -> PyResult<String> {
            model_file::sha256(&self.0).map_err(|e| raised(py, &e))
        }

        /// The integers, `[n, elements]`, of real values, `[n, elements]`, in the input's format.
        fn integers<'py>(
            &self,
            py: Python<'py>,
            x: PyReadonlyArray2<'py, f64>,
        ) -> PyResult<Bound<'py, PyArray2<i64>>> {
            let x = Values::Double(x.as_array().to_owned());
            let integers = work(py, || x.integers(&self.0.columns()))?;
            Ok(PyArray2::from_owned_array(py, integers))
        }

        /// Golden's outputs, `[n, n_out]`, for integers, `[n, elements]`; so many of those of a
        /// recurrent network are a sequence, `length`.
        fn infer<'py>(
            &self,
            py: Python<'py>,
            x: PyReadonlyArray2<'py, i64>,
            length: usize,
        ) -> PyResult<Bound<'py, PyArray2<i64>>> {
            let x = x.as_array().to_owned();
            let outputs =
                work(py, || cli::golden_outputs(&self.0, x.view(), length, &cli::tools()?))?;
            Ok(PyArray2::from_owned_array(py, outputs))
        }

        /// The core that these options of `strassenc verilog` make of the model.
        fn compile(&self, py: Python<'_>, words: Vec<OsString>, anyway: bool) -> PyResult<Core> {
            work(py, || {
                let (options, device) = cli::options(words)?;
                let compiled = cli::compile(&self.0, &options, anyway)?;
                let (record, _) = build::contents(&compiled, &options)?;
                let emitted = emit::emit_core(&compiled, &options.emit())?;
                let report = Report::new(&record, &emitted.signature, device);
                let sources = Sources::from(&emitted);
                Ok(Core { compiled, options, sources, signature: emitted.signature, report })
            })
        }
    }

    /// The model of a fast matrix product, as these words behind `strassenc discover` say.
    #[pyfunction]
    fn discover(py: Python<'_>, words: Vec<OsString>) -> PyResult<Model> {
        work(py, || cli::discover(words)).map(Model)
    }

    /// Writes a run of an ONNX network, as these words behind `strassenc import` say, and yields
    /// what became of it, as JSON.
    #[pyfunction]
    fn import_onnx(py: Python<'_>, words: Vec<OsString>) -> PyResult<String> {
        work(py, || cli::import_onnx(words))
    }

    /// Begins a run at weights that were trained elsewhere, by the names of a checkpoint.
    #[pyfunction]
    fn begin(
        py: Python<'_>,
        description: &str,
        weights: BTreeMap<String, PyReadonlyArrayDyn<'_, f32>>,
        folder: PathBuf,
        overwrite: bool,
    ) -> PyResult<()> {
        let own =
            |(name, array): (String, PyReadonlyArrayDyn<f32>)| (name, array.as_array().to_owned());
        let weights: Tensors = weights.into_iter().map(own).collect();
        work(py, || cli::begin(&described(description)?, &folder, &weights, overwrite))
    }

    /// Goes on with a run to its end.
    #[pyfunction]
    fn go_on(py: Python<'_>, folder: PathBuf) -> PyResult<Option<Model>> {
        work(py, || cli::go_on(&folder)).map(|model| model.map(Model))
    }

    /// The outputs of the float network of a run, `[n, outputs]`, for `[n, elements]`.
    #[pyfunction]
    fn float_outputs<'py>(
        py: Python<'py>,
        folder: PathBuf,
        x: PyReadonlyArray2<'py, f32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let x = x.as_array().to_owned();
        let outputs = work(py, || {
            ImageCheckpoint::load(&train::checkpoint_of(&folder))?.float_outputs(x.view())
        })?;
        Ok(PyArray2::from_owned_array(py, outputs))
    }

    /// The logits of the float network of a run over a text, `[steps · n, outputs]`, row t · n + s
    /// those of input t of sequence s, for symbols `[n, steps]`.
    #[pyfunction]
    fn float_logits<'py>(
        py: Python<'py>,
        folder: PathBuf,
        x: PyReadonlyArray2<'py, u32>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let x = x.as_array().to_owned();
        let logits = work(py, || {
            SequenceCheckpoint::load(&train::checkpoint_of(&folder))?.float_outputs(x.view())
        })?;
        Ok(PyArray2::from_owned_array(py, logits))
    }

    /// The alphabet of a text, and what of it is trained on, validated and tested, as indices.
    #[pyfunction]
    fn text<'py>(
        py: Python<'py>,
        spec: &str,
    ) -> PyResult<(String, Vec<Bound<'py, PyArray1<u32>>>)> {
        let text = work(py, || cli::text(spec))?;
        let parts = [text.train, text.valid, text.test].map(|part| PyArray1::from_vec(py, part));
        Ok((text.symbols.alphabet.iter().collect(), parts.into()))
    }

    /// A matrix whose additions are shared.
    #[pyclass(frozen)]
    struct Matrix(cli::Shared);

    #[pymethods]
    impl Matrix {
        /// That of y = x·W for `[inputs, outputs]`, as these words behind `strassenc matrix` say.
        #[new]
        fn new(
            py: Python<'_>,
            array: PyReadonlyArray2<'_, i64>,
            name: &str,
            words: Vec<OsString>,
        ) -> PyResult<Matrix> {
            let array = array.as_array().to_owned();
            work(py, || cli::matrix(words, name, &array)).map(Matrix)
        }

        /// Every figure, as JSON.
        fn report(&self, py: Python<'_>) -> PyResult<String> {
            self.0.to_json().map_err(|e| raised(py, &e))
        }

        /// Writes Verilog of it.
        fn save(&self, py: Python<'_>, folder: PathBuf, overwrite: bool) -> PyResult<()> {
            let edits = if overwrite { Edits::Overwrite } else { Edits::Keep };
            work(py, || self.0.write(&folder, edits).map(drop))
        }
    }

    /// A compiled core.
    #[pyclass(frozen)]
    struct Core {
        compiled: Compiled,
        options: build::Options,
        sources: Sources,
        signature: Signature,
        report: Report,
    }

    #[pymethods]
    impl Core {
        /// Every figure, as JSON.
        fn report(&self, py: Python<'_>) -> PyResult<String> {
            crate::convert::json(py, &self.report)
        }

        /// The signature, as JSON.
        fn signature(&self, py: Python<'_>) -> PyResult<String> {
            crate::convert::json(py, &self.signature)
        }

        /// The report in lines of at most `width` characters.
        fn text(&self, py: Python<'_>, width: usize) -> PyResult<String> {
            self.report.document().map(|page| page.text(width)).map_err(|e| raised(py, &e))
        }

        /// The report as one page.
        fn html(&self, py: Python<'_>) -> PyResult<String> {
            let page = self.report.document().and_then(|page| page.html());
            page.map_err(|e| raised(py, &e))
        }

        /// Writes the report as one page.
        fn write_html(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
            work(py, || files::write(&path, self.report.document()?.html()?.as_bytes()))
        }

        /// Writes the build folder.
        fn save(&self, py: Python<'_>, folder: PathBuf, overwrite: bool) -> PyResult<()> {
            let edits = if overwrite { Edits::Overwrite } else { Edits::Keep };
            work(py, || build::replace(&folder, &self.compiled, &self.options, edits).map(drop))
        }

        /// Streams integers, `[n, elements]`, through the core in Verilator, as `Model.infer` takes
        /// them: the outputs, which are golden's or what is decided on them, latency, II, clocks,
        /// and seconds.
        #[allow(clippy::type_complexity)]
        fn simulate<'py>(
            &self,
            py: Python<'py>,
            x: PyReadonlyArray2<'py, i64>,
            sequence: usize,
            pauses: (bool, bool, bool),
            seed: u64,
            threads: usize,
        ) -> PyResult<(Bound<'py, PyArray2<i64>>, i64, Option<f64>, u64, f64)> {
            let x = x.as_array().to_owned();
            let (gaps, backpressure, pauses) = pauses;
            let resets = false;
            let options =
                simulate::Options { seed, gaps, backpressure, pauses, resets, threads, sequence };
            let run = work(py, || {
                let tools = cli::tools()?;
                let golden =
                    rows(cli::golden_outputs(&self.compiled.model, x.view(), sequence, &tools)?);
                let due: Vec<_> = golden.iter().map(|own| self.signature.due(own)).collect();
                tools.verilator_or_install()?;
                let simulator = Simulator::build(&self.sources, &self.signature, false, &tools)?;
                let core = |_| Ok(self.compiled.clone());
                let compared = simulator.compare(&self.sources, &rows(x), &due, &options, &core)?;
                simulator.verdict(&compared)?;
                Ok(compared.run)
            })?;
            let elements = self.signature.outputs().map(|(_, stream)| stream.elements).sum();
            let outputs = array(py, &run.outputs, elements)?;
            Ok((outputs, run.latency, run.ii, run.clocks, run.seconds))
        }
    }
}
