//! The layers of a model as nodes of the graph. Between layers every value is `[samples,
//! elements]`.

use super::graph::Graph;
use super::messages::{AttributeProto, DOUBLE, GraphProto, INT64, NodeProto, ValueInfoProto};
use crate::error::Result;
use crate::format::Format;
use crate::model::{
    Activation, Bilinear, Branches, CharCnn, Conv2d, Dense, Embedding, Function, Highway, Layer,
    Output, Pool, PoolKind, Recurrent, Upsample, gate_format,
};
use crate::recurrent::{Along, Cell};
use crate::shape::{Extent, Join, Shape};
use ndarray::{Array2, Array3, Axis};

/// A sum-product network over the last axis of a value.
struct Spn {
    /// `[groups, r / groups, inputs]`: each group reads a vector of its own.
    w_b: Array3<i8>,
    /// `[r]`.
    coefficients: Vec<i32>,
    /// `[r]`.
    shifts: Vec<i32>,
    /// `[groups, outputs, r / groups]`, or `[1, outputs, r]`.
    w_c: Array3<i8>,
    /// As many as there are outputs, of all groups.
    bias: Vec<i64>,
}

/// What the windows of a convolution or a pooling are.
struct Windows {
    size: Extent,
    /// Pixels from one to the next.
    stride: Extent,
    /// Pixels around the image.
    pad: Extent,
    /// How many there are.
    count: Extent,
    /// What lies around the image.
    fill: i64,
}

impl Graph {
    /// What `layer` yields for x, of this shape and format.
    pub fn layer(&mut self, layer: &Layer, x: &str, edge: (Shape, Format)) -> Result<String> {
        Ok(match layer {
            Layer::Dense(dense) => self.dense(dense, x),
            Layer::Bilinear(bilinear) => self.bilinear(bilinear, x),
            Layer::Conv2d(conv) => self.conv2d(conv, x, edge.0, layer.yields(edge)?.0),
            Layer::Pool(pool) => self.pool(pool, x, edge, layer.yields(edge)?.0),
            Layer::Upsample(upsample) => self.upsample(upsample, x, edge.0),
            Layer::Activation(activation) => self.activation(activation, x, edge.1),
            Layer::Branches(branches) => self.branches(branches, x, edge)?,
            Layer::Head(head) => {
                let mut reads = (x.to_string(), edge);
                for layer in &head.layers {
                    reads = (self.layer(layer, &reads.0, reads.1)?, layer.yields(reads.1)?);
                }
                self.cast(&format!("y_{}", head.name), &reads.0, INT64);
                x.to_string()
            }
            Layer::Input(input) => {
                self.cast(&format!("{}/z", input.name), &format!("x_{}", input.name), DOUBLE)
            }
            Layer::Embedding(embedding) => self.embedding(embedding, x),
            Layer::CharCnn(cnn) => self.char_cnn(cnn, x, edge.0)?,
            Layer::Highway(highway) => self.highway(highway, x, edge.1)?,
            Layer::Recurrent(recurrent) => self.recurrent(recurrent, x, edge.0)?,
            Layer::Last(last) => {
                let elements = edge.0.elements();
                self.slice(&format!("{}/z", last.name), x, 1, elements - edge.0.channels..elements)
            }
            Layer::Reverse(reverse) => self.reverse(&reverse.name, x, edge.0),
        })
    }

    /// `[.., outputs]` of x `[.., inputs]`, where there is one group; else `[samples, groups,
    /// windows, outputs]` of x `[samples, groups, windows, inputs]`.
    fn spn(&mut self, name: &str, x: &str, spn: Spn) -> String {
        let at = |value: &str| format!("{name}/{value}");
        let (groups, rows, inputs) = spn.w_b.dim();
        let (c_groups, outputs, reads) = spn.w_c.dim();
        if rows == 0 {
            // A product over no rows is not in every runtime: one row of zeros is as good.
            let zeros = Spn {
                w_b: Array3::zeros((groups, 1, inputs)),
                coefficients: vec![0; groups],
                shifts: vec![0; groups],
                w_c: Array3::zeros((c_groups, outputs, groups / c_groups)),
                bias: spn.bias,
            };
            return self.spn(name, x, zeros);
        }
        let of_each = |groups: usize, sizes: [usize; 2]| match groups {
            1 => sizes.to_vec(),
            _ => [&[groups], &sizes[..]].concat(),
        };
        let w_b = spn.w_b.permuted_axes([0, 2, 1]);
        let u = self.product(&at("u"), x, &of_each(groups, [inputs, rows]), w_b);
        let each_row = of_each(groups, [1, rows]);
        let a = self.f64s(&at("a"), &each_row, spn.coefficients.into_iter().map(f64::from));
        let product = self.node("Mul", &at("product"), &[&u, &a], []);
        let mut m = self.round_shift(&at("m"), &product, &each_row, &spn.shifts);
        if groups > c_groups {
            m = self.transpose(&at("m_by_window"), &m, &[0, 2, 1, 3]);
            m = self.reshape(&at("m_of_all"), &m, &[0, 0, reads as i64]);
        }
        let w_c = spn.w_c.permuted_axes([0, 2, 1]);
        let sum = self.product(&at("sum"), &m, &of_each(c_groups, [reads, outputs]), w_c);
        let bias = spn.bias.into_iter().map(|b| b as f64);
        let bias = self.f64s(&at("b"), &of_each(c_groups, [1, outputs]), bias);
        self.node("Add", &at("y"), &[&sum, &bias], [])
    }

    /// What leaves a layer, from its y, whose last axis are the outputs.
    fn output(&mut self, name: &str, y: String, output: &Output) -> String {
        match output {
            Output::Raw => y,
            Output::Requantised { shifts, format } => {
                let rounded = format!("{name}/rounded");
                let rounded = self.round_shift(&rounded, &y, &[shifts.len()], shifts);
                self.clip(&format!("{name}/z"), &rounded, [format.min(), format.max()])
            }
        }
    }

    /// `[.., outputs]` of x `[.., inputs]`.
    fn dense(&mut self, dense: &Dense, x: &str) -> String {
        let spn = Spn {
            w_b: dense.w_b.clone().insert_axis(Axis(0)),
            coefficients: dense.coefficients.to_vec(),
            shifts: dense.coefficient_shifts.to_vec(),
            w_c: dense.w_c.clone().insert_axis(Axis(0)),
            bias: dense.bias.to_vec(),
        };
        let y = self.spn(&dense.name, x, spn);
        self.output(&dense.name, y, &dense.output)
    }

    fn bilinear(&mut self, layer: &Bilinear, x: &str) -> String {
        let at = |value: &str| format!("{}/{value}", layer.name);
        let [n_a, n_b] = [layer.inputs_a(), layer.inputs_b()];
        let (outputs, r) = layer.w_c.dim();
        let y = if r == 0 {
            let zeros = Array2::zeros((n_a + n_b, outputs));
            self.product(&at("y"), x, &[n_a + n_b, outputs], zeros)
        } else {
            let a = self.slice(&at("a"), x, 1, 0..n_a);
            let b = self.slice(&at("b"), x, 1, n_a..n_a + n_b);
            let u = self.product(&at("u"), &a, &[n_a, r], layer.w_a.t().to_owned());
            let v = self.product(&at("v"), &b, &[n_b, r], layer.w_b.t().to_owned());
            let m = self.node("Mul", &at("m"), &[&u, &v], []);
            self.product(&at("y"), &m, &[r, outputs], layer.w_c.t().to_owned())
        };
        self.output(&layer.name, y, &layer.output)
    }

    /// The windows of images x of this shape: `[samples, rows of windows, rows, columns of windows,
    /// columns, channels]`.
    fn windows(&mut self, name: &str, x: &str, shape: Shape, windows: &Windows) -> String {
        let at = |value: &str| format!("{name}/{value}");
        let Windows { size, stride, pad, count, fill } = *windows;
        let axes = [shape.height, shape.width, shape.channels].map(|n| n as i64);
        let mut image = self.reshape(&at("image"), x, &[&[0], &axes[..]].concat());
        let last = count.zip(stride, |count, stride| (count - 1) * stride);
        let beyond =
            |last: usize, size: usize, pad: usize, n: usize| (last + size).saturating_sub(pad + n);
        let below = beyond(last.h, size.h, pad.h, shape.height);
        let right = beyond(last.w, size.w, pad.w, shape.width);
        if [pad.h, pad.w, below, right] != [0; 4] {
            let pads = [0, pad.h, pad.w, 0, 0, below, right, 0].map(|n| n as i64);
            let pads = self.i64s(&at("pads"), &[8], pads);
            let fill = self.f64s(&at("fill"), &[], [fill as f64]);
            image = self.node("Pad", &at("padded"), &[&image, &pads, &fill], []);
        }
        let mut along = |value: &str, x: &str, axis, [count, stride, size]: [usize; 3]| {
            let starts = (0..count).flat_map(|i| (0..size).map(move |k| (i * stride + k) as i64));
            let index = self.i64s(&at(&format!("{value}_index")), &[count, size], starts);
            self.gather(&at(value), x, &index, axis)
        };
        let rows = along("rows", &image, 1, [count.h, stride.h, size.h]);
        along("windows", &rows, 3, [count.w, stride.w, size.w])
    }

    fn conv2d(&mut self, conv: &Conv2d, x: &str, input: Shape, output: Shape) -> String {
        let at = |value: &str| format!("{}/{value}", conv.name);
        let (size, p) = (conv.window(), conv.patch());
        let count = Extent { h: output.height, w: output.width }.zip(p, usize::div_ceil);
        let windows = Windows { size, stride: conv.step(), pad: conv.lead(), count, fill: 0 };
        let windows = self.windows(&conv.name, x, input, &windows);

        let (groups, rows) = (conv.groups, conv.rows() / conv.groups);
        let (per_group, reads) = (conv.w_b.dim().1, conv.w_c.dim().1);
        let c_groups = if conv.depthwise() { groups } else { 1 };
        let channels = conv.channels() / c_groups;
        let (n, outputs) = (size.area() * per_group, p.area() * channels);
        let whole = |sizes: &[usize]| sizes.iter().map(|n| *n as i64).collect::<Vec<_>>();
        let axes = [0, count.h, size.h, count.w, size.w, groups, per_group];
        let windows = self.reshape(&at("windows_of_groups"), &windows, &whole(&axes));
        let windows = self.transpose(&at("windows_by_group"), &windows, &[0, 5, 1, 3, 2, 4, 6]);
        let axes = if groups == 1 { vec![0] } else { vec![0, groups] };
        let axes = whole(&[axes, vec![count.area(), n]].concat());
        let vectors = self.reshape(&at("vectors"), &windows, &axes);

        let spn = Spn {
            w_b: Array3::from_shape_fn((groups, rows, n), |(group, i, k)| {
                let (pixel, c) = (k / per_group, k % per_group);
                conv.w_b[[group * rows + i, c, pixel / size.w, pixel % size.w]]
            }),
            coefficients: conv.coefficients.to_vec(),
            shifts: conv.coefficient_shifts.to_vec(),
            w_c: Array3::from_shape_fn((c_groups, outputs, reads), |(group, output, i)| {
                let (pixel, c) = (output / channels, group * channels + output % channels);
                conv.w_c[[c, i, pixel / p.w, pixel % p.w]]
            }),
            bias: (0..c_groups * outputs)
                .map(|k| {
                    let (group, output) = (k / outputs, k % outputs);
                    let (pixel, c) = (output / channels, group * channels + output % channels);
                    conv.bias[[c, pixel / p.w, pixel % p.w]]
                })
                .collect(),
        };
        let mut y = self.spn(&conv.name, &vectors, spn);
        if c_groups > 1 || p != Extent::ONE {
            let axes = whole(&[0, c_groups, count.h, count.w, p.h, p.w, channels]);
            y = self.reshape(&at("patches"), &y, &axes);
            y = self.transpose(&at("patches_by_row"), &y, &[0, 2, 4, 3, 5, 1, 6]);
            y = self.reshape(
                &at("pixels"),
                &y,
                &whole(&[0, count.h * p.h, count.w * p.w, output.channels]),
            );
            y = self.slice(&at("rows_within"), &y, 1, 0..output.height);
            y = self.slice(&at("pixels_within"), &y, 2, 0..output.width);
        }
        let z = self.output(&conv.name, y, &conv.output);
        self.flatten(&at("flat"), &z)
    }

    fn pool(
        &mut self,
        pool: &Pool,
        x: &str,
        (input, format): (Shape, Format),
        output: Shape,
    ) -> String {
        let at = |value: &str| format!("{}/{value}", pool.name);
        let fill = match pool.kind {
            PoolKind::Max => format.min(),
            PoolKind::Sum => 0,
        };
        let count = Extent { h: output.height, w: output.width };
        let Pool { size, stride, pad, .. } = *pool;
        let windows =
            self.windows(&pool.name, x, input, &Windows { size, stride, pad, count, fill });
        let z = match pool.kind {
            PoolKind::Max => self.largest(&at("z"), &windows, &[2, 4]),
            PoolKind::Sum => {
                let axes = self.i64s(&at("axes"), &[2], [2, 4]);
                let keep = AttributeProto::int("keepdims", 0);
                self.node("ReduceSum", &at("z"), &[&windows, &axes], [keep])
            }
        };
        self.flatten(&at("flat"), &z)
    }

    fn reverse(&mut self, name: &str, x: &str, shape: Shape) -> String {
        let at = |value: &str| format!("{name}/{value}");
        let axes = [0, shape.pixels() as i64, shape.channels as i64];
        let pixels = self.reshape(&at("pixels"), x, &axes);
        let index = (0..shape.pixels() as i64).rev();
        let index = self.i64s(&at("index"), &[shape.pixels()], index);
        let z = self.gather(&at("z"), &pixels, &index, 1);
        self.flatten(&at("flat"), &z)
    }

    fn upsample(&mut self, upsample: &Upsample, x: &str, shape: Shape) -> String {
        let at = |value: &str| format!("{}/{value}", upsample.name);
        let axes = [0, shape.height, shape.width, shape.channels].map(|n| n as i64);
        let image = self.reshape(&at("image"), x, &axes);
        let mut along = |value: &str, x: &str, axis, [n, size]: [usize; 2]| {
            let nearest = (0..n * size).map(|i| (i / size) as i64);
            let index = self.i64s(&at(&format!("{value}_index")), &[n * size], nearest);
            self.gather(&at(value), x, &index, axis)
        };
        let rows = along("rows", &image, 1, [shape.height, upsample.size.h]);
        let z = along("pixels", &rows, 2, [shape.width, upsample.size.w]);
        self.flatten(&at("flat"), &z)
    }

    fn activation(&mut self, layer: &Activation, x: &str, format: Format) -> String {
        let at = |value: &str| format!("{}/{value}", layer.name);
        match &layer.function {
            Function::Clip { max } => self.clip(&at("z"), x, [format.min(), *max]),
            Function::Leaky { shift } => {
                let above = self.clip(&at("above"), x, [0, format.max()]);
                let below = self.clip(&at("below"), x, [format.min(), 0]);
                let below = self.round_shift(&at("rounded"), &below, &[1], &[*shift as i32]);
                self.node("Add", &at("z"), &[&above, &below], [])
            }
            Function::Sigmoid(table) => self.look_up(&at("z"), x, format, |v| table.sigmoid(v)),
            Function::Tanh(table) => self.look_up(&at("z"), x, format, |v| table.tanh(v)),
        }
    }

    fn branches(&mut self, layer: &Branches, x: &str, edge: (Shape, Format)) -> Result<String> {
        let at = |value: &str| format!("{}/{value}", layer.name);
        let mut branch = |layers: &[Layer]| -> Result<(String, (Shape, Format))> {
            layers.iter().try_fold((x.to_string(), edge), |(x, edge), layer| {
                Ok((self.layer(layer, &x, edge)?, layer.yields(edge)?))
            })
        };
        let (a, (a_shape, a_format)) = branch(&layer.body)?;
        let (b, (b_shape, b_format)) = branch(&layer.shortcut)?;
        let frac = a_format.frac.max(b_format.frac);
        let a = self.scale(&at("body"), &a, frac - a_format.frac);
        let b = self.scale(&at("shortcut"), &b, frac - b_format.frac);
        let joined = match layer.join {
            Join::Add => self.node("Add", &at("sum"), &[&a, &b], []),
            Join::Concat => {
                let mut pixels = |value: &str, x: &str, shape: Shape| {
                    let axes = [0, shape.pixels() as i64, shape.channels as i64];
                    self.reshape(&at(value), x, &axes)
                };
                let a = pixels("body_pixels", &a, a_shape);
                let b = pixels("shortcut_pixels", &b, b_shape);
                let joined = self.concat(&at("pixels"), &[&a, &b], 2);
                self.flatten(&at("flat"), &joined)
            }
        };
        Ok(self.requantise(&at("z"), &joined, frac - layer.format.frac, layer.format))
    }

    fn embedding(&mut self, layer: &Embedding, x: &str) -> String {
        let at = |value: &str| format!("{}/{value}", layer.name);
        let (rows, columns) = layer.table.dim();
        let values = layer.table.iter().map(|v| f64::from(*v));
        let table = self.f64s(&at("table"), &[rows, columns], values);
        let row = self.clip(&at("row"), x, [0, rows as i64 - 1]);
        let row = self.cast(&at("index"), &row, INT64);
        let z = self.gather(&at("z"), &table, &row, 0);
        self.flatten(&at("flat"), &z)
    }

    fn char_cnn(&mut self, layer: &CharCnn, x: &str, shape: Shape) -> Result<String> {
        let name = &layer.filters.name;
        let at = |value: &str| format!("{name}/{value}");
        let format = gate_format(&layer.filters)?;
        let (positions, taps) = (shape.width, layer.widths.len());
        let windows = Windows {
            size: Extent { h: 1, w: taps },
            stride: Extent::ONE,
            pad: Extent::square(0),
            count: Extent { h: 1, w: positions },
            fill: 0,
        };
        let windows = self.windows(name, x, shape, &windows);
        let axes = [0, positions, taps * shape.channels].map(|n| n as i64);
        let windows = self.reshape(&at("vectors"), &windows, &axes);
        let z = self.dense(&layer.filters, &windows);
        // A filter that reads beyond the word counts for nothing there.
        let bounds = (0..positions).flat_map(|position| {
            layer.width_of_each().map(move |width| {
                if position + width <= positions { format.max() } else { format.min() }
            })
        });
        let bounds = bounds.map(|bound| bound as f64);
        let bounds = self.f64s(&at("bounds"), &[positions, layer.filters.outputs()], bounds);
        let within = self.node("Min", &at("within"), &[&z, &bounds], []);
        let largest = self.largest(&at("largest"), &within, &[1]);
        Ok(self.look_up(&at("tanh"), &largest, format, |v| layer.tanh.tanh(v)))
    }

    fn highway(&mut self, layer: &Highway, x: &str, format: Format) -> Result<String> {
        let at = |value: &str| format!("{}/{value}", layer.gates.name);
        let n = layer.units();
        let gates = self.dense(&layer.gates, x);
        let t = self.slice(&at("t"), &gates, 1, 0..n);
        let h = self.slice(&at("h"), &gates, 1, n..2 * n);
        let h = self.clip(&at("relu"), &h, [0, format.max()]);
        let t = self
            .look_up(&at("sigmoid"), &t, gate_format(&layer.gates)?, |v| layer.sigmoid.sigmoid(v));
        let rise = self.node("Sub", &at("rise"), &[&h, x], []);
        let share = self.node("Mul", &at("share"), &[&t, &rise], []);
        let share = self.round_shift(&at("share_rounded"), &share, &[], &[layer.sigmoid.frac]);
        Ok(self.node("Add", &at("out"), &[x, &share], []))
    }

    /// One step, of which the state enters and leaves; along pixels a `Scan` of steps from zeros.
    fn recurrent(&mut self, layer: &Recurrent, x: &str, shape: Shape) -> Result<String> {
        let name = &layer.gates.name;
        let at = |value: &str| format!("{name}/{value}");
        let [c, h] = ["c", "h"].map(at);
        if layer.along == Along::Inputs {
            self.cast(&c, &format!("{name}_c"), DOUBLE);
            self.cast(&h, &format!("{name}_h"), DOUBLE);
            let [c, h] = self.step(layer, x, [&c, &h])?;
            self.cast(&format!("{name}_c_next"), &c, INT64);
            self.cast(&format!("{name}_h_next"), &h, INT64);
            return Ok(h);
        }
        let mut body = Graph::default();
        let pixel = at("pixel");
        let [next_c, next_h] = body.step(layer, &pixel, [&c, &h])?;
        let yields = body.node("Identity", &at("h_of_pixel"), &[&next_h], []);
        let values = |names: [&str; 3]| names.map(ValueInfoProto::f64).to_vec();
        let body = GraphProto {
            node: body.nodes,
            name: at("step"),
            initializer: body.constants,
            input: values([&c, &h, &pixel]),
            output: values([&next_c, &next_h, &yields]),
        };
        let first = self.slice(&at("first"), x, 1, 0..1);
        let zeros = self.f64s(&at("zeros"), &[1, layer.units()], vec![0.0; layer.units()]);
        let start = self.node("Mul", &at("start"), &[&first, &zeros], []);
        let pixels = [0, shape.pixels() as i64, shape.channels as i64];
        let pixels = self.reshape(&at("pixels"), x, &pixels);
        self.nodes.push(NodeProto {
            input: vec![start.clone(), start, pixels],
            output: ["c_at_the_end", "h_at_the_end", "h_of_each"].map(at).to_vec(),
            name: at("scan"),
            op_type: "Scan".into(),
            attribute: vec![
                AttributeProto::graph("body", body),
                AttributeProto::int("num_scan_inputs", 1),
                AttributeProto::ints("scan_input_axes", &[1]),
                AttributeProto::ints("scan_output_axes", &[1]),
            ],
            ..NodeProto::default()
        });
        Ok(self.flatten(&at("out"), &at("h_of_each")))
    }

    /// The next c and h of c and h.
    fn step(&mut self, layer: &Recurrent, x: &str, [c, h]: [&str; 2]) -> Result<[String; 2]> {
        let at = |value: &str| format!("{}/{value}", layer.gates.name);
        let x = self.concat(&at("x_h"), &[x, h], 1);
        let gates = self.dense(&layer.gates, &x);
        match layer.kind {
            Cell::Lstm => self.lstm(layer, &gates, c),
            Cell::Gru => self.gru(layer, &gates, c),
        }
    }

    fn lstm(&mut self, layer: &Recurrent, gates: &str, c: &str) -> Result<[String; 2]> {
        let at = |value: &str| format!("{}/{value}", layer.gates.name);
        let (n, format) = (layer.units(), gate_format(&layer.gates)?);
        let (sigmoid, tanh) = (&layer.sigmoid, &layer.tanh);
        let mut gate = |k: usize, value: &str, function: &dyn Fn(i64) -> i64| {
            let v = self.slice(&at(value), gates, 1, k * n..(k + 1) * n);
            self.look_up(&at(&format!("{value}_of")), &v, format, function)
        };
        let i = gate(0, "i", &|v| sigmoid.sigmoid(v));
        let f = gate(1, "f", &|v| sigmoid.sigmoid(v));
        let g = gate(2, "g", &|v| tanh.tanh(v));
        let o = gate(3, "o", &|v| sigmoid.sigmoid(v));

        let (kept_frac, new_frac) = (sigmoid.frac + layer.cell.frac, sigmoid.frac + tanh.frac);
        let frac = kept_frac.max(new_frac);
        let kept = self.node("Mul", &at("kept"), &[&f, c], []);
        let kept = self.scale(&at("kept_aligned"), &kept, frac - kept_frac);
        let new = self.node("Mul", &at("new"), &[&i, &g], []);
        let new = self.scale(&at("new_aligned"), &new, frac - new_frac);
        let sum = self.node("Add", &at("sum_of_both"), &[&kept, &new], []);
        let c = self.requantise(&at("c_next"), &sum, frac - layer.cell.frac, layer.cell);
        let index = self.requantise(&at("index"), &c, layer.cell.frac - format.frac, format);
        let tanh_c = self.look_up(&at("tanh_c"), &index, format, |v| tanh.tanh(v));
        let h = self.node("Mul", &at("gated"), &[&o, &tanh_c], []);
        let h = self.requantise(&at("h_next"), &h, new_frac - layer.hidden.frac, layer.hidden);
        Ok([c, h])
    }

    fn gru(&mut self, layer: &Recurrent, gates: &str, c: &str) -> Result<[String; 2]> {
        let at = |value: &str| format!("{}/{value}", layer.gates.name);
        let (n, format) = (layer.units(), gate_format(&layer.gates)?);
        let (sigmoid, tanh) = (&layer.sigmoid, &layer.tanh);
        let mut gate = |k, value| self.slice(&at(value), gates, 1, k * n..(k + 1) * n);
        let [r, z] = [gate(0, "gate_r"), gate(1, "gate_z")];
        let [n_x, n_h] = [gate(2, "gate_n_x"), gate(3, "gate_n_h")];
        let r = self.look_up(&at("r_of"), &r, format, |v| sigmoid.sigmoid(v));
        let z = self.look_up(&at("z_of"), &z, format, |v| sigmoid.sigmoid(v));

        let reset = self.node("Mul", &at("reset"), &[&r, &n_h], []);
        let n_x = self.scale(&at("n_x_aligned"), &n_x, sigmoid.frac);
        let v = self.node("Add", &at("sum_of_both"), &[&n_x, &reset], []);
        let v = self.requantise(&at("v"), &v, sigmoid.frac, format);
        let new = self.look_up(&at("new"), &v, format, |v| tanh.tanh(v));
        let frac = layer.cell.frac.max(tanh.frac);
        let new = self.scale(&at("new_aligned"), &new, frac - tanh.frac);
        let kept = self.scale(&at("kept_aligned"), c, frac - layer.cell.frac);
        let difference = self.node("Sub", &at("difference"), &[&kept, &new], []);
        let share = self.node("Mul", &at("share"), &[&z, &difference], []);
        let new = self.scale(&at("new_of_all"), &new, sigmoid.frac);
        let mean = self.node("Add", &at("mean"), &[&new, &share], []);
        let shift = frac + sigmoid.frac - layer.cell.frac;
        let c = self.requantise(&at("c_next"), &mean, shift, layer.cell);
        let shift = layer.cell.frac - layer.hidden.frac;
        Ok([c.clone(), self.requantise(&at("h_next"), &c, shift, layer.hidden)])
    }

    /// The largest along these axes.
    fn largest(&mut self, output: &str, x: &str, axes: &[i64]) -> String {
        let attributes = [AttributeProto::ints("axes", axes), AttributeProto::int("keepdims", 0)];
        self.node("ReduceMax", output, &[x], attributes)
    }
}
