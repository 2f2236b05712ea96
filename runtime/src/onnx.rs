//! Export of a model to ONNX, so that ONNX Runtime, which is nobody's code of ours, witnesses for
//! the integers.
//!
//! The graph takes `x`, int64 `[samples, elements]`, integers of the input format in row-major
//! order, and yields `y`, int64 `[samples, n_out]`, golden's outputs. Between them it computes in
//! doubles, exactly: all values of a valid model are integers below
//! [`MAGNITUDE_LIMIT`](crate::model::MAGNITUDE_LIMIT), and scales are powers of two.

mod messages;

use crate::error::Result;
use crate::model::{Bilinear, Dense, Model, Output, Spn};
use messages::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, ValueInfoProto,
};
use prost::Message;
use std::path::Path;

/// Operator set: the one in which `Clip`, `Gemm` and `Floor` took their present form.
const OPSET: i64 = 13;
/// The file format that came with that operator set.
const IR_VERSION: i64 = 7;

/// Writes the ONNX graph of `model` to `path`, atomically.
///
/// # Errors
/// As [`to_bytes`], and where the file cannot be written.
pub fn save(model: &Model, path: &Path) -> Result<()> {
    crate::files::write(path, &to_bytes(model)?)
}

/// The bytes of the ONNX graph of `model`; the same model gives the same bytes.
///
/// # Errors
/// Where the model is not [valid](Model::validate), or works on images.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    let hash = crate::model_file::sha256(model)?;
    let mut graph = Graph::default();
    let mut value = graph.node("Cast", "x_f64", &["x"], &[("to", messages::DOUBLE.into())]);
    for layer in model.spns()? {
        let y = match layer {
            Spn::Dense(dense) => graph.dense(dense, &value),
            Spn::Bilinear(bilinear) => graph.bilinear(bilinear, &value),
        };
        value = graph.output(layer, y);
    }
    graph.node("Cast", "y", &[&value], &[("to", messages::INT64.into())]);
    let graph = GraphProto {
        name: model.name.clone(),
        node: graph.nodes,
        initializer: graph.constants,
        input: vec![ValueInfoProto::int64("x", model.input.elements())],
        output: vec![ValueInfoProto::int64("y", model.outputs())],
    };
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "strassenc".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: vec![StringStringEntryProto { key: "model_sha256".into(), value: hash }],
    };
    Ok(file.encode_to_vec())
}

/// A graph under construction; a node is called after its only output.
#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Graph {
    /// Adds a node and returns its output.
    fn node(
        &mut self,
        operator: &str,
        output: &str,
        inputs: &[&str],
        attributes: &[(&str, i64)],
    ) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: vec![output.into()],
            name: output.into(),
            op_type: operator.into(),
            attribute: attributes.iter().map(|(name, i)| AttributeProto::int(name, *i)).collect(),
        });
        output.into()
    }

    fn f64s(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = f64>,
    ) -> String {
        self.constants.push(TensorProto {
            dims: shape.iter().map(|s| *s as i64).collect(),
            data_type: messages::DOUBLE,
            name: name.into(),
            raw_data: values.into_iter().flat_map(f64::to_le_bytes).collect(),
        });
        name.into()
    }

    /// x · wᵀ + addend, for a ternary `w`, `[rows, columns]`.
    fn gemm(
        &mut self,
        output: &str,
        x: &str,
        w: &ndarray::Array2<i8>,
        addend: Option<&str>,
    ) -> String {
        let [rows, columns] = [w.nrows(), w.ncols()];
        let name = format!("{output}/w");
        self.constants.push(TensorProto {
            dims: vec![rows as i64, columns as i64],
            data_type: messages::INT8,
            name: name.clone(),
            raw_data: w.iter().map(|v| v.to_le_bytes()[0]).collect(),
        });
        let w = self.node(
            "Cast",
            &format!("{output}/w_f64"),
            &[&name],
            &[("to", messages::DOUBLE.into())],
        );
        let inputs: Vec<&str> = [x, &w].into_iter().chain(addend).collect();
        self.node("Gemm", output, &inputs, &[("transB", 1)])
    }

    /// floor(x · 2^-shift + 1/2), where a shift ≤ 0 needs no rounding; one shift for each column of
    /// x.
    fn round_shift(&mut self, output: &str, x: &str, shifts: &ndarray::Array1<i32>) -> String {
        let n = [shifts.len()];
        // The half is added first, while all is integer: the sum stays below 2^53, where x ·
        // 2^-shift + 1/2 might need more bits than a double has.
        let half = shifts.iter().map(|s| if *s > 0 { f64::powi(2.0, s - 1) } else { 0.0 });
        let half = self.f64s(&format!("{output}/half"), &n, half);
        let scale =
            self.f64s(&format!("{output}/scale"), &n, shifts.iter().map(|s| f64::powi(2.0, -s)));
        let sum = self.node("Add", &format!("{output}/sum"), &[x, &half], &[]);
        let scaled = self.node("Mul", &format!("{output}/scaled"), &[&sum, &scale], &[]);
        self.node("Floor", output, &[&scaled], &[])
    }

    fn dense(&mut self, dense: &Dense, x: &str) -> String {
        let at = |value: &str| format!("{}/{value}", dense.name);
        let bias = self.f64s(&at("b"), &[dense.outputs()], dense.bias.iter().map(|b| *b as f64));
        if dense.rows() == 0 {
            // A product over no rows is not in every runtime; W_c·m is 0.
            let zero = self.f64s(
                &at("zero"),
                &[dense.inputs(), dense.outputs()],
                vec![0.0; dense.inputs() * dense.outputs()],
            );
            self.node("Gemm", &at("y"), &[x, &zero, &bias], &[])
        } else {
            let u = self.gemm(&at("u"), x, &dense.w_b, None);
            let a = self.f64s(
                &at("a"),
                &[dense.rows()],
                dense.coefficients.iter().map(|a| f64::from(*a)),
            );
            let product = self.node("Mul", &at("product"), &[&u, &a], &[]);
            let m = self.round_shift(&at("m"), &product, &dense.coefficient_shifts);
            self.gemm(&at("y"), &m, &dense.w_c, Some(&bias))
        }
    }

    /// Both operands are read from the whole of x, by matrices that are 0 where the other one
    /// stands.
    fn bilinear(&mut self, layer: &Bilinear, x: &str) -> String {
        let at = |value: &str| format!("{}/{value}", layer.name);
        let (n_a, n) = (layer.inputs_a(), layer.inputs_a() + layer.inputs_b());
        let r = layer.w_c.ncols();
        if r == 0 {
            let zero =
                self.f64s(&at("zero"), &[n, layer.w_c.nrows()], vec![0.0; n * layer.w_c.nrows()]);
            return self.node("MatMul", &at("y"), &[x, &zero], &[]);
        }
        let w_a =
            ndarray::Array2::from_shape_fn(
                (r, n),
                |(i, j)| if j < n_a { layer.w_a[[i, j]] } else { 0 },
            );
        let w_b = ndarray::Array2::from_shape_fn((r, n), |(i, j)| {
            if j < n_a { 0 } else { layer.w_b[[i, j - n_a]] }
        });
        let u = self.gemm(&at("u"), x, &w_a, None);
        let v = self.gemm(&at("v"), x, &w_b, None);
        let m = self.node("Mul", &at("m"), &[&u, &v], &[]);
        self.gemm(&at("y"), &m, &layer.w_c, None)
    }

    /// What leaves a layer, from its y.
    fn output(&mut self, layer: Spn, y: String) -> String {
        let at = |value: &str| format!("{}/{value}", layer.name());
        match layer.output() {
            Output::Raw => y,
            Output::Requantised { shifts, format } => {
                let rounded = self.round_shift(&at("rounded"), &y, shifts);
                let min = self.f64s(&at("min"), &[], [format.min() as f64]);
                let max = self.f64s(&at("max"), &[], [format.max() as f64]);
                self.node("Clip", &at("z"), &[&rounded, &min, &max], &[])
            }
        }
    }
}
