//! A graph under construction, and the arithmetic that all layers share.

use super::messages::{AttributeProto, DOUBLE, INT8, INT64, NodeProto, TensorProto};
use crate::format::Format;
use std::ops::Range;

/// Nodes and constants so far; a node is called after its only output.
#[derive(Default)]
pub struct Graph {
    pub nodes: Vec<NodeProto>,
    pub constants: Vec<TensorProto>,
}

impl Graph {
    /// Adds a node and returns its output.
    pub fn node(
        &mut self,
        operator: &str,
        output: &str,
        inputs: &[&str],
        attributes: impl IntoIterator<Item = AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: vec![output.into()],
            name: output.into(),
            op_type: operator.into(),
            attribute: attributes.into_iter().collect(),
            ..NodeProto::default()
        });
        output.into()
    }

    fn constant(&mut self, name: &str, shape: &[usize], data_type: i32, raw_data: Vec<u8>) {
        let dims = shape.iter().map(|s| *s as i64).collect();
        let name = name.into();
        let rest = TensorProto::default();
        self.constants.push(TensorProto { dims, data_type, name, raw_data, ..rest });
    }

    /// A constant of doubles.
    pub fn f64s(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = f64>,
    ) -> String {
        let raw = values.into_iter().flat_map(f64::to_le_bytes).collect();
        self.constant(name, shape, DOUBLE, raw);
        name.into()
    }

    /// A constant of integers: sizes, axes, indices.
    pub fn i64s(
        &mut self,
        name: &str,
        shape: &[usize],
        values: impl IntoIterator<Item = i64>,
    ) -> String {
        let raw = values.into_iter().flat_map(i64::to_le_bytes).collect();
        self.constant(name, shape, INT64, raw);
        name.into()
    }

    pub fn cast(&mut self, output: &str, x: &str, to: i32) -> String {
        self.node("Cast", output, &[x], [AttributeProto::int("to", to.into())])
    }

    /// x with other axes, where 0 keeps an axis of x and -1 is whatever is left.
    pub fn reshape(&mut self, output: &str, x: &str, axes: &[i64]) -> String {
        let axes = self.i64s(&format!("{output}/axes"), &[axes.len()], axes.iter().copied());
        self.node("Reshape", output, &[x, &axes], [])
    }

    /// `[samples, elements]`.
    pub fn flatten(&mut self, output: &str, x: &str) -> String {
        self.reshape(output, x, &[0, -1])
    }

    pub fn transpose(&mut self, output: &str, x: &str, axes: &[i64]) -> String {
        self.node("Transpose", output, &[x], [AttributeProto::ints("perm", axes)])
    }

    /// x · w over the last axis of x, for a ternary `w` of this shape: `[inputs, outputs]`, or one
    /// such matrix for each entry of the axis before the last two of x.
    pub fn product(
        &mut self,
        output: &str,
        x: &str,
        shape: &[usize],
        w: impl IntoIterator<Item = i8>,
    ) -> String {
        let name = format!("{output}/w");
        self.constant(&name, shape, INT8, w.into_iter().flat_map(i8::to_le_bytes).collect());
        let w = self.cast(&format!("{output}/w_f64"), &name, DOUBLE);
        self.node("MatMul", output, &[x, &w], [])
    }

    /// x · 2^shift, exactly.
    pub fn scale(&mut self, output: &str, x: &str, shift: i32) -> String {
        if shift == 0 {
            return x.into();
        }
        let scale = self.f64s(&format!("{output}/scale"), &[], [f64::powi(2.0, shift)]);
        self.node("Mul", output, &[x, &scale], [])
    }

    /// floor(x · 2^-shift + 1/2), where a shift ≤ 0 needs no rounding; shifts of a shape that
    /// broadcasts to that of x.
    pub fn round_shift<'a>(
        &mut self,
        output: &str,
        x: &str,
        shape: &[usize],
        shifts: impl IntoIterator<Item = &'a i32> + Clone,
    ) -> String {
        // The half is added first, while all is integer: the sum stays below 2^53, where x ·
        // 2^-shift + 1/2 might need more bits than a double has.
        let half = |s: &i32| if *s > 0 { f64::powi(2.0, s - 1) } else { 0.0 };
        let halves = shifts.clone().into_iter().map(half);
        let half = self.f64s(&format!("{output}/half"), shape, halves);
        let scales = shifts.into_iter().map(|s| f64::powi(2.0, -s));
        let scale = self.f64s(&format!("{output}/scale"), shape, scales);
        let sum = self.node("Add", &format!("{output}/sum"), &[x, &half], []);
        let scaled = self.node("Mul", &format!("{output}/scaled"), &[&sum, &scale], []);
        self.node("Floor", output, &[&scaled], [])
    }

    pub fn clip(&mut self, output: &str, x: &str, [min, max]: [i64; 2]) -> String {
        let min = self.f64s(&format!("{output}/min"), &[], [min as f64]);
        let max = self.f64s(&format!("{output}/max"), &[], [max as f64]);
        self.node("Clip", output, &[x, &min, &max], [])
    }

    /// What x · 2^-shift is in a format: rounded half up, then saturated.
    pub fn requantise(&mut self, output: &str, x: &str, shift: i32, format: Format) -> String {
        let rounded = self.round_shift(&format!("{output}/rounded"), x, &[], &[shift]);
        self.clip(output, &rounded, [format.min(), format.max()])
    }

    /// Entries of x along an axis, in whose place the axes of the index stand.
    pub fn gather(&mut self, output: &str, x: &str, index: &str, axis: i64) -> String {
        self.node("Gather", output, &[x, index], [AttributeProto::int("axis", axis)])
    }

    /// That part of x along an axis.
    pub fn slice(&mut self, output: &str, x: &str, axis: i64, part: Range<usize>) -> String {
        let ends = [("start", part.start as i64), ("end", part.end as i64), ("axis", axis)];
        let [start, end, axis] =
            ends.map(|(name, n)| self.i64s(&format!("{output}/{name}"), &[1], [n]));
        self.node("Slice", output, &[x, &start, &end, &axis], [])
    }

    pub fn concat(&mut self, output: &str, x: &[&str], axis: i64) -> String {
        self.node("Concat", output, x, [AttributeProto::int("axis", axis)])
    }

    /// What `function` yields for x, integers of the signed format `of`.
    pub fn look_up(
        &mut self,
        output: &str,
        x: &str,
        of: Format,
        function: impl Fn(i64) -> i64,
    ) -> String {
        let values = (of.min()..=of.max()).map(|v| function(v) as f64);
        let table = self.f64s(&format!("{output}/table"), &[1 << of.bits], values);
        let first = self.f64s(&format!("{output}/first"), &[], [of.min() as f64]);
        let above = self.node("Sub", &format!("{output}/above"), &[x, &first], []);
        let index = self.cast(&format!("{output}/index"), &above, INT64);
        self.gather(output, &table, &index, 0)
    }
}
