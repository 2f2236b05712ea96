//! The model file, `model.safetensors`: tensors and one JSON document in the metadata. The
//! specification is `docs/model-format.md`; this module writes it with deterministic bytes and
//! reads it with suspicion.
//!
//! Reading refuses whatever is not exactly a model: a damaged container, another version, unknown
//! or repeated keys, missing or extra tensors, a wrong dtype or shape, a hash that differs, and
//! everything [`Model::validate`] refuses.

mod strict_json;
#[cfg(test)]
mod tests;

use crate::artifact::{Artifact, read_as};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::{
    Activation, Bilinear, Branches, CharCnn, Conv2d, Dense, Edge, Embedding, Function, Head,
    Highway, Input, Last, Layer, Model, Output, Pool, PoolKind, Provenance, Recurrent, Reverse,
    Table, Upsample,
};
use crate::recurrent::{Along, Cell};
use crate::shape::{Extent, Join};
use crate::wording::of_json;
use ndarray::{Array, Dimension, IxDyn};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The version of the format that this module reads and writes.
pub const VERSION: u32 = 1;

/// The key of the document in the metadata.
const KEY: &str = "strassenc";

/// What stands in the document for the hash while it is computed.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The JSON document.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    name: String,
    input: Edge,
    layers: Vec<LayerDocument>,
    provenance: Provenance,
    sha256: String,
}

/// The part of a layer that is not a tensor.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum LayerDocument {
    Dense {
        name: String,
        budget: usize,
        coefficient_bits: u32,
        product_frac: i32,
        output: OutputDocument,
    },
    Bilinear {
        name: String,
        output: OutputDocument,
    },
    Conv2d {
        name: String,
        budget: usize,
        coefficient_bits: u32,
        product_frac: i32,
        stride: Extent,
        pad: Extent,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transposed: Option<Extent>,
        groups: usize,
        output: OutputDocument,
    },
    Upsample {
        name: String,
        size: Extent,
    },
    Activation {
        name: String,
        function: FunctionDocument,
    },
    Pool {
        name: String,
        window: PoolKind,
        size: Extent,
        stride: Extent,
        pad: Extent,
    },
    Residual(BranchesDocument),
    Concat(BranchesDocument),
    Head {
        name: String,
        layers: Vec<LayerDocument>,
    },
    Input {
        name: String,
        shape: Vec<usize>,
        format: Format,
    },
    Embedding {
        name: String,
        format: Format,
    },
    CharCnn {
        name: String,
        budget: usize,
        coefficient_bits: u32,
        product_frac: i32,
        output: OutputDocument,
        widths: Vec<usize>,
        tanh_frac: i32,
    },
    Highway {
        name: String,
        budget: usize,
        coefficient_bits: u32,
        product_frac: i32,
        output: OutputDocument,
        gate_frac: i32,
        sigmoid_frac: i32,
    },
    Lstm(RecurrentDocument),
    Gru(RecurrentDocument),
    Last {
        name: String,
    },
    Reverse {
        name: String,
    },
}

/// An LSTM or a GRU.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecurrentDocument {
    name: String,
    budget: usize,
    coefficient_bits: u32,
    product_frac: i32,
    output: OutputDocument,
    sigmoid_frac: i32,
    tanh_frac: i32,
    cell: Format,
    hidden: Format,
    /// Files that say nothing of it are of a time when there was nothing else.
    #[serde(default, skip_serializing_if = "is_default")]
    along: Along,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A residual or a concat.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BranchesDocument {
    name: String,
    body: Vec<LayerDocument>,
    shortcut: Vec<LayerDocument>,
    format: Format,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum OutputDocument {
    Raw {},
    Requantised { format: Format },
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum FunctionDocument {
    Clip { max: i64 },
    Leaky { shift: u32 },
    Sigmoid { sigmoid_frac: i32 },
    Tanh { tanh_frac: i32 },
}

/// One tensor as it lies in the file: little-endian, row-major.
struct Tensor {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

/// Writes `model` to `path`, atomically. The same model gives the same bytes.
///
/// # Errors
/// As [`to_bytes`], and where the file cannot be written.
pub fn save(model: &Model, path: &Path) -> Result<()> {
    crate::files::write(path, &to_bytes(model)?)
}

/// Bytes of the longest header of a safetensors file.
const MOST_HEADER: u32 = 100_000_000;

/// Whether what a file begins with may be the beginning of a safetensors file: the length of a
/// header, and the header.
///
/// # Errors
/// Where it cannot.
pub(crate) fn begins(bytes: &[u8]) -> std::result::Result<(), String> {
    match bytes {
        [a, b, c, d, 0, 0, 0, 0, b'{', ..]
            if u32::from_le_bytes([*a, *b, *c, *d]) <= MOST_HEADER =>
        {
            Ok(())
        }
        _ if bytes.len() > 8 => Err("is not a safetensors file: it does not begin as one".into()),
        _ => Ok(()),
    }
}

/// Reads the model at `path`.
///
/// # Errors
/// As [`from_bytes`], with the path before the place; and where the file cannot be read.
pub fn load(path: &Path) -> Result<Model> {
    let read = |path: &Path| {
        from_bytes(&crate::files::read_if(path, begins)?).map_err(|e| e.within(path.display()))
    };
    read_as(Artifact::Model, path, read)
}

/// The model's hash, 64 hexadecimal digits: the one that stands in its file, over tensors and
/// document.
///
/// # Errors
/// As [`to_bytes`].
pub fn sha256(model: &Model) -> Result<String> {
    Ok(hashed_document(model, &tensors(&model.layers))?.1)
}

/// The bytes of the model's file.
///
/// # Errors
/// Where the model is not [valid](Model::validate), or a metric is not finite (JSON has no word for
/// it).
pub fn to_bytes(model: &Model) -> Result<Vec<u8>> {
    model.validate()?;
    let tensors = tensors(&model.layers);
    let (document, _) = hashed_document(model, &tensors)?;
    let views = tensors
        .iter()
        .map(|(name, t)| Ok((name, TensorView::new(t.dtype, t.shape.clone(), &t.data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| Error::internal("model file", e))?;
    safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), document)])))
        .map_err(|e| Error::internal("model file", e))
}

/// Reads a model from the bytes of its file.
///
/// # Errors
/// The first thing that is wrong, with its place in the file: see the module's text.
pub fn from_bytes(bytes: &[u8]) -> Result<Model> {
    let (header_length, header) = SafeTensors::read_metadata(bytes).map_err(|e| {
        Error::input("model file", format_args!("is damaged or not a safetensors file: {e}"))
            .help("copy or train the model again")
    })?;
    let damaged = |e: safetensors::SafeTensorError| {
        Error::input("model file", format_args!("is damaged: {e}"))
    };
    strict_json::check(&bytes[8..8 + header_length])
        .map_err(|e| Error::input("safetensors header", e))?;
    let text = match header.metadata() {
        Some(metadata) if metadata.len() == 1 && metadata.contains_key(KEY) => &metadata[KEY],
        Some(metadata) if metadata.contains_key(KEY) => {
            return Err(Error::input(
                "safetensors metadata",
                format_args!("holds keys beside `{KEY}`"),
            ));
        }
        _ => {
            return Err(Error::input(
                "safetensors metadata",
                format_args!("has no `{KEY}` document: this is not a strassenc model"),
            ));
        }
    };
    let document = read_document(text)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let (dtype, shape, data) = (view.dtype(), view.shape().to_vec(), view.data().to_vec());
        tensors.insert(name, Tensor { dtype, shape, data });
    }
    // Before the hash: a missing or foreign tensor is better named than called a wrong hash.
    check_names(&document, &tensors)?;
    check_hash(&document, text, &tensors)?;
    let layers = document
        .layers
        .into_iter()
        .map(|layer| read_layer(layer, &tensors))
        .collect::<Result<_>>()?;
    let model = Model {
        name: document.name,
        input: document.input,
        layers,
        provenance: document.provenance,
    };
    model.validate()?;
    Ok(model)
}

fn read_document(text: &str) -> Result<Document> {
    let fail = |e| Error::input(format_args!("`{KEY}` document"), of_json(&e));
    /// The version alone, so that a later one is called by its name and not by its unknown keys.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let found: Versioned = serde_json::from_str(text).map_err(fail)?;
    if found.version != VERSION {
        return Err(Error::input(
            format_args!("`{KEY}` document"),
            format_args!(
                "has format version {}, this strassenc reads version {VERSION}",
                found.version
            ),
        )
        .help("use the strassenc that wrote the model, or train it again"));
    }
    strict_json::check(text.as_bytes())
        .map_err(|e| Error::input(format_args!("`{KEY}` document"), e))?;
    serde_json::from_str(text).map_err(fail)
}

/// The dtype and the number of axes of every tensor that the layers call for.
fn expected(layers: &[LayerDocument], names: &mut BTreeMap<String, (Dtype, usize)>) {
    for layer in layers {
        let mut add = |name: &str, fields: &[(&str, Dtype, usize)]| {
            names.extend(
                fields
                    .iter()
                    .map(|&(field, dtype, axes)| (format!("{name}.{field}"), (dtype, axes))),
            );
        };
        let coefficients = [("coefficients", Dtype::I32, 1), ("coefficient_shifts", Dtype::I32, 1)];
        let (name, output) = match layer {
            LayerDocument::Dense { name, output, .. }
            | LayerDocument::CharCnn { name, output, .. }
            | LayerDocument::Highway { name, output, .. }
            | LayerDocument::Lstm(RecurrentDocument { name, output, .. })
            | LayerDocument::Gru(RecurrentDocument { name, output, .. }) => {
                add(name, &coefficients);
                add(name, &[("w_b", Dtype::I8, 2), ("w_c", Dtype::I8, 2), ("bias", Dtype::I64, 1)]);
                let tables: &[&str] = match layer {
                    LayerDocument::Dense { .. } => &[],
                    LayerDocument::CharCnn { .. } => &["tanh"],
                    LayerDocument::Highway { .. } => &["sigmoid"],
                    _ => &["sigmoid", "tanh"],
                };
                for table in tables {
                    add(name, &[(table, Dtype::I32, 1)]);
                }
                (name, output)
            }
            LayerDocument::Embedding { name, .. } => {
                add(name, &[("table", Dtype::I32, 2)]);
                continue;
            }
            LayerDocument::Activation { name, function } => {
                match function {
                    FunctionDocument::Clip { .. } | FunctionDocument::Leaky { .. } => {}
                    FunctionDocument::Sigmoid { .. } => add(name, &[("sigmoid", Dtype::I32, 1)]),
                    FunctionDocument::Tanh { .. } => add(name, &[("tanh", Dtype::I32, 1)]),
                }
                continue;
            }
            LayerDocument::Bilinear { name, output } => {
                add(name, &[("w_a", Dtype::I8, 2), ("w_b", Dtype::I8, 2), ("w_c", Dtype::I8, 2)]);
                (name, output)
            }
            LayerDocument::Conv2d { name, output, .. } => {
                add(name, &coefficients);
                add(name, &[("w_b", Dtype::I8, 4), ("w_c", Dtype::I8, 4), ("bias", Dtype::I64, 3)]);
                (name, output)
            }
            LayerDocument::Pool { .. }
            | LayerDocument::Upsample { .. }
            | LayerDocument::Input { .. }
            | LayerDocument::Last { .. }
            | LayerDocument::Reverse { .. } => continue,
            LayerDocument::Residual(branches) | LayerDocument::Concat(branches) => {
                expected(&branches.body, names);
                expected(&branches.shortcut, names);
                continue;
            }
            LayerDocument::Head { layers, .. } => {
                expected(layers, names);
                continue;
            }
        };
        if let OutputDocument::Requantised { .. } = output {
            add(name, &[("output_shifts", Dtype::I32, 1)]);
        }
    }
}

fn check_names(document: &Document, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let mut due = BTreeMap::new();
    expected(&document.layers, &mut due);
    for (name, (dtype, axes)) in &due {
        let place = format!("tensor `{name}`");
        let tensor = tensors.get(name).ok_or_else(|| Error::input(&place, "is missing"))?;
        if tensor.dtype != *dtype {
            return Err(Error::input(
                place,
                format_args!("has dtype {}, it must be {dtype}", tensor.dtype),
            ));
        }
        if tensor.shape.len() != *axes {
            return Err(Error::input(
                place,
                format_args!("has shape {:?}, it must have {axes} axes", tensor.shape),
            ));
        }
    }
    match tensors.keys().find(|name| !due.contains_key(*name)) {
        Some(name) => Err(Error::input(
            format_args!("tensor `{name}`"),
            "belongs to no layer of the document",
        )),
        None => Ok(()),
    }
}

fn check_hash(document: &Document, text: &str, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    let place = format!("`{KEY}` document, sha256");
    if document.sha256.len() != 64 || text.matches(&document.sha256).count() != 1 {
        return Err(Error::input(
            place,
            "is not 64 hexadecimal digits that stand once in the document",
        ));
    }
    let found = hash(tensors, &text.replacen(&document.sha256, NO_HASH, 1));
    if found != document.sha256 {
        return Err(Error::input(
            place,
            format_args!(
                "is {}, but the contents hash to {found}: the file was changed or damaged",
                document.sha256
            ),
        )
        .help("copy or train the model again"));
    }
    Ok(())
}

fn read_layer(layer: LayerDocument, tensors: &BTreeMap<String, Tensor>) -> Result<Layer> {
    let i32s = |layer: &str, field: &str| array(tensors, layer, field, i32::from_le_bytes);
    let output_of = |layer: &str, output: OutputDocument| -> Result<Output> {
        Ok(match output {
            OutputDocument::Raw {} => Output::Raw,
            OutputDocument::Requantised { format } => {
                Output::Requantised { shifts: i32s(layer, "output_shifts")?, format }
            }
        })
    };
    let layers = |layers: Vec<LayerDocument>| {
        layers.into_iter().map(|l| read_layer(l, tensors)).collect::<Result<_>>()
    };
    let dense = |name: &str,
                 budget: usize,
                 coefficient_bits: u32,
                 product_frac: i32,
                 output: OutputDocument|
     -> Result<Dense> {
        Ok(Dense {
            budget,
            w_b: array(tensors, name, "w_b", i8::from_le_bytes)?,
            coefficients: i32s(name, "coefficients")?,
            coefficient_bits,
            coefficient_shifts: i32s(name, "coefficient_shifts")?,
            product_frac,
            w_c: array(tensors, name, "w_c", i8::from_le_bytes)?,
            bias: array(tensors, name, "bias", i64::from_le_bytes)?,
            output: output_of(name, output)?,
            name: name.to_owned(),
        })
    };
    let table = |name: &str, field: &str, frac: i32| -> Result<Table> {
        Ok(Table { values: i32s(name, field)?, frac })
    };
    let recurrent = |kind: Cell, document: RecurrentDocument| -> Result<Layer> {
        let RecurrentDocument { name, budget, coefficient_bits, product_frac, output, .. } =
            document;
        Ok(Layer::Recurrent(Recurrent {
            kind,
            along: document.along,
            gates: dense(&name, budget, coefficient_bits, product_frac, output)?,
            sigmoid: table(&name, "sigmoid", document.sigmoid_frac)?,
            tanh: table(&name, "tanh", document.tanh_frac)?,
            cell: document.cell,
            hidden: document.hidden,
        }))
    };
    let joined = |join: Join, branches: BranchesDocument| -> Result<Layer> {
        let BranchesDocument { name, body, shortcut, format } = branches;
        let (body, shortcut) = (layers(body)?, layers(shortcut)?);
        Ok(Layer::Branches(Branches { name, body, shortcut, join, format }))
    };
    Ok(match layer {
        LayerDocument::Dense { name, budget, coefficient_bits, product_frac, output } => {
            Layer::Dense(dense(&name, budget, coefficient_bits, product_frac, output)?)
        }
        LayerDocument::Embedding { name, format } => Layer::Embedding(Embedding {
            table: array(tensors, &name, "table", i32::from_le_bytes)?,
            format,
            name,
        }),
        LayerDocument::CharCnn {
            name,
            budget,
            coefficient_bits,
            product_frac,
            output,
            widths,
            tanh_frac,
        } => Layer::CharCnn(CharCnn {
            filters: dense(&name, budget, coefficient_bits, product_frac, output)?,
            widths,
            tanh: table(&name, "tanh", tanh_frac)?,
        }),
        LayerDocument::Highway {
            name,
            budget,
            coefficient_bits,
            product_frac,
            output,
            gate_frac,
            sigmoid_frac,
        } => Layer::Highway(Highway {
            gates: dense(&name, budget, coefficient_bits, product_frac, output)?,
            gate_frac,
            sigmoid: table(&name, "sigmoid", sigmoid_frac)?,
        }),
        LayerDocument::Lstm(document) => recurrent(Cell::Lstm, document)?,
        LayerDocument::Gru(document) => recurrent(Cell::Gru, document)?,
        LayerDocument::Last { name } => Layer::Last(Last { name }),
        LayerDocument::Reverse { name } => Layer::Reverse(Reverse { name }),
        LayerDocument::Bilinear { name, output } => Layer::Bilinear(Bilinear {
            w_a: array(tensors, &name, "w_a", i8::from_le_bytes)?,
            w_b: array(tensors, &name, "w_b", i8::from_le_bytes)?,
            w_c: array(tensors, &name, "w_c", i8::from_le_bytes)?,
            output: output_of(&name, output)?,
            name,
        }),
        LayerDocument::Conv2d {
            name,
            budget,
            coefficient_bits,
            product_frac,
            stride,
            pad,
            transposed,
            groups,
            output,
        } => Layer::Conv2d(Conv2d {
            budget,
            w_b: array(tensors, &name, "w_b", i8::from_le_bytes)?,
            coefficients: i32s(&name, "coefficients")?,
            coefficient_bits,
            coefficient_shifts: i32s(&name, "coefficient_shifts")?,
            product_frac,
            w_c: array(tensors, &name, "w_c", i8::from_le_bytes)?,
            bias: array(tensors, &name, "bias", i64::from_le_bytes)?,
            stride,
            pad,
            transposed,
            groups,
            output: output_of(&name, output)?,
            name,
        }),
        LayerDocument::Pool { name, window, size, stride, pad } => {
            Layer::Pool(Pool { name, kind: window, size, stride, pad })
        }
        LayerDocument::Upsample { name, size } => Layer::Upsample(Upsample { name, size }),
        LayerDocument::Activation { name, function } => {
            let function = match function {
                FunctionDocument::Clip { max } => Function::Clip { max },
                FunctionDocument::Leaky { shift } => Function::Leaky { shift },
                FunctionDocument::Sigmoid { sigmoid_frac } => {
                    Function::Sigmoid(table(&name, "sigmoid", sigmoid_frac)?)
                }
                FunctionDocument::Tanh { tanh_frac } => {
                    Function::Tanh(table(&name, "tanh", tanh_frac)?)
                }
            };
            Layer::Activation(Activation { name, function })
        }
        LayerDocument::Residual(branches) => joined(Join::Add, branches)?,
        LayerDocument::Concat(branches) => joined(Join::Concat, branches)?,
        LayerDocument::Head { name, layers: own } => {
            Layer::Head(Head { name, layers: layers(own)? })
        }
        LayerDocument::Input { name, shape, format } => {
            Layer::Input(Input { name, edge: Edge { shape, format } })
        }
    })
}

fn array<T, D: Dimension, const N: usize>(
    tensors: &BTreeMap<String, Tensor>,
    layer: &str,
    field: &str,
    from_le_bytes: fn([u8; N]) -> T,
) -> Result<Array<T, D>> {
    let name = format!("{layer}.{field}");
    let tensor = tensors.get(&name).ok_or_else(|| Error::internal(&name, "was not checked"))?;
    let (elements, rest) = tensor.data.as_chunks::<N>();
    debug_assert!(rest.is_empty());
    Array::from_shape_vec(
        IxDyn(&tensor.shape),
        elements.iter().map(|b| from_le_bytes(*b)).collect(),
    )
    .and_then(|array| array.into_dimensionality())
    .map_err(|e| Error::input(format_args!("tensor `{name}`"), e))
}

/// The tensors of some layers by name.
fn tensors(layers: &[Layer]) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    for layer in layers {
        let mut add = |field: &str, tensor: Tensor| {
            tensors.insert(format!("{}.{field}", layer.name()), tensor)
        };
        if let Layer::Dense(dense)
        | Layer::CharCnn(CharCnn { filters: dense, .. })
        | Layer::Highway(Highway { gates: dense, .. })
        | Layer::Recurrent(Recurrent { gates: dense, .. }) = layer
        {
            add("w_b", i8s(&dense.w_b));
            add("coefficients", i32s(&dense.coefficients));
            add("coefficient_shifts", i32s(&dense.coefficient_shifts));
            add("w_c", i8s(&dense.w_c));
            add("bias", i64s(&dense.bias));
            if let Output::Requantised { shifts, .. } = &dense.output {
                add("output_shifts", i32s(shifts));
            }
        }
        match layer {
            Layer::Dense(_) => continue,
            Layer::CharCnn(cnn) => {
                add("tanh", i32s(&cnn.tanh.values));
            }
            Layer::Highway(highway) => {
                add("sigmoid", i32s(&highway.sigmoid.values));
            }
            Layer::Recurrent(recurrent) => {
                add("sigmoid", i32s(&recurrent.sigmoid.values));
                add("tanh", i32s(&recurrent.tanh.values));
            }
            Layer::Embedding(embedding) => {
                add("table", i32s(&embedding.table));
            }
            Layer::Bilinear(bilinear) => {
                add("w_a", i8s(&bilinear.w_a));
                add("w_b", i8s(&bilinear.w_b));
                add("w_c", i8s(&bilinear.w_c));
            }
            Layer::Conv2d(conv) => {
                add("w_b", i8s(&conv.w_b));
                add("coefficients", i32s(&conv.coefficients));
                add("coefficient_shifts", i32s(&conv.coefficient_shifts));
                add("w_c", i8s(&conv.w_c));
                add("bias", i64s(&conv.bias));
            }
            Layer::Activation(Activation { function: Function::Sigmoid(table), .. }) => {
                add("sigmoid", i32s(&table.values));
            }
            Layer::Activation(Activation { function: Function::Tanh(table), .. }) => {
                add("tanh", i32s(&table.values));
            }
            Layer::Pool(_)
            | Layer::Upsample(_)
            | Layer::Activation(_)
            | Layer::Input(_)
            | Layer::Last(_)
            | Layer::Reverse(_) => {}
            Layer::Branches(branches) => {
                tensors.extend(self::tensors(&branches.body));
                tensors.extend(self::tensors(&branches.shortcut));
                continue;
            }
            Layer::Head(head) => {
                tensors.extend(self::tensors(&head.layers));
                continue;
            }
        }
        if let Some(Output::Requantised { shifts, .. }) = layer.output() {
            add("output_shifts", i32s(shifts));
        }
    }
    tensors
}

fn i8s<D: Dimension>(array: &Array<i8, D>) -> Tensor {
    tensor(Dtype::I8, array, i8::to_le_bytes)
}

fn i32s<D: Dimension>(array: &Array<i32, D>) -> Tensor {
    tensor(Dtype::I32, array, i32::to_le_bytes)
}

fn i64s<D: Dimension>(array: &Array<i64, D>) -> Tensor {
    tensor(Dtype::I64, array, i64::to_le_bytes)
}

fn tensor<T: Copy, D: Dimension, const N: usize>(
    dtype: Dtype,
    array: &Array<T, D>,
    bytes: fn(T) -> [u8; N],
) -> Tensor {
    // `iter` walks in row-major order whatever the layout in memory.
    Tensor {
        dtype,
        shape: array.shape().to_vec(),
        data: array.iter().flat_map(|v| bytes(*v)).collect(),
    }
}

/// The document's text with its hash, and the hash.
fn hashed_document(model: &Model, tensors: &BTreeMap<String, Tensor>) -> Result<(String, String)> {
    if let Some((name, value)) = model.provenance.metrics.iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::input(
            "provenance",
            format_args!("the metric `{name}` is {value}, which is not a number"),
        ));
    }
    let mut document = Document {
        version: VERSION,
        name: model.name.clone(),
        input: model.input.clone(),
        layers: model.layers.iter().map(document_of).collect(),
        provenance: model.provenance.clone(),
        sha256: NO_HASH.to_owned(),
    };
    let text =
        |d: &Document| serde_json::to_string(d).map_err(|e| Error::internal("model document", e));
    document.sha256 = hash(tensors, &text(&document)?);
    Ok((text(&document)?, document.sha256))
}

fn document_of(layer: &Layer) -> LayerDocument {
    let output = |output: &Output| match output {
        Output::Raw => OutputDocument::Raw {},
        Output::Requantised { format, .. } => OutputDocument::Requantised { format: *format },
    };
    let name = layer.name().to_owned();
    match layer {
        Layer::Dense(d) => LayerDocument::Dense {
            name,
            budget: d.budget,
            coefficient_bits: d.coefficient_bits,
            product_frac: d.product_frac,
            output: output(&d.output),
        },
        Layer::Bilinear(b) => LayerDocument::Bilinear { name, output: output(&b.output) },
        Layer::Conv2d(c) => LayerDocument::Conv2d {
            name,
            budget: c.budget,
            coefficient_bits: c.coefficient_bits,
            product_frac: c.product_frac,
            stride: c.stride,
            pad: c.pad,
            transposed: c.transposed,
            groups: c.groups,
            output: output(&c.output),
        },
        Layer::Pool(p) => {
            LayerDocument::Pool { name, window: p.kind, size: p.size, stride: p.stride, pad: p.pad }
        }
        Layer::Upsample(u) => LayerDocument::Upsample { name, size: u.size },
        Layer::Activation(a) => {
            let function = match &a.function {
                Function::Clip { max } => FunctionDocument::Clip { max: *max },
                Function::Leaky { shift } => FunctionDocument::Leaky { shift: *shift },
                Function::Sigmoid(table) => FunctionDocument::Sigmoid { sigmoid_frac: table.frac },
                Function::Tanh(table) => FunctionDocument::Tanh { tanh_frac: table.frac },
            };
            LayerDocument::Activation { name, function }
        }
        Layer::Branches(b) => {
            let of = |layers: &[Layer]| layers.iter().map(document_of).collect();
            let (body, shortcut) = (of(&b.body), of(&b.shortcut));
            let branches = BranchesDocument { name, body, shortcut, format: b.format };
            match b.join {
                Join::Add => LayerDocument::Residual(branches),
                Join::Concat => LayerDocument::Concat(branches),
            }
        }
        Layer::Head(h) => {
            LayerDocument::Head { name, layers: h.layers.iter().map(document_of).collect() }
        }
        Layer::Input(Input { edge: Edge { shape, format }, .. }) => {
            LayerDocument::Input { name, shape: shape.clone(), format: *format }
        }
        Layer::Embedding(e) => LayerDocument::Embedding { name, format: e.format },
        Layer::CharCnn(c) => LayerDocument::CharCnn {
            name,
            budget: c.filters.budget,
            coefficient_bits: c.filters.coefficient_bits,
            product_frac: c.filters.product_frac,
            output: output(&c.filters.output),
            widths: c.widths.clone(),
            tanh_frac: c.tanh.frac,
        },
        Layer::Highway(h) => LayerDocument::Highway {
            name,
            budget: h.gates.budget,
            coefficient_bits: h.gates.coefficient_bits,
            product_frac: h.gates.product_frac,
            output: output(&h.gates.output),
            gate_frac: h.gate_frac,
            sigmoid_frac: h.sigmoid.frac,
        },
        Layer::Recurrent(r) => {
            let document = RecurrentDocument {
                name,
                budget: r.gates.budget,
                coefficient_bits: r.gates.coefficient_bits,
                product_frac: r.gates.product_frac,
                output: output(&r.gates.output),
                sigmoid_frac: r.sigmoid.frac,
                tanh_frac: r.tanh.frac,
                cell: r.cell,
                hidden: r.hidden,
                along: r.along,
            };
            match r.kind {
                Cell::Lstm => LayerDocument::Lstm(document),
                Cell::Gru => LayerDocument::Gru(document),
            }
        }
        Layer::Last(_) => LayerDocument::Last { name },
        Layer::Reverse(_) => LayerDocument::Reverse { name },
    }
}

/// SHA-256 over each tensor in order of name (a line `name dtype d0,d1`, then its bytes) and the
/// document's text with 64 zeros for its hash.
fn hash(tensors: &BTreeMap<String, Tensor>, document: &str) -> String {
    let mut sha = Sha256::new();
    for (name, tensor) in tensors {
        let shape: Vec<_> = tensor.shape.iter().map(usize::to_string).collect();
        sha.update(format!("{name} {} {}\n", tensor.dtype, shape.join(",")));
        sha.update(&tensor.data);
    }
    sha.update(document);
    sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
