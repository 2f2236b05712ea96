//! An ONNX file as nodes and constants, every number of which is checked: the file may be
//! anybody's.

use super::messages::{self, AttributeProto, ModelProto, NodeProto, Size, TensorProto};
use crate::error::{Error, Result, count};
use crate::files;
use crate::wording::of_system;
use prost::Message;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// Operator sets that are understood.
const OPSETS: std::ops::RangeInclusive<i64> = 13..=22;
/// Elements of one tensor, at most.
pub const MOST_ENTRIES: usize = 1 << 28;

/// A graph with one input and one output.
pub struct Graph {
    /// The file, as errors name it.
    pub path: String,
    /// In the order in which they are computed.
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Tensor>,
    /// Name and axes of the input; none where an axis has a name instead of a size.
    pub input: (String, Vec<Option<usize>>),
    pub output: String,
}

/// One operator of a graph.
pub struct Node {
    pub proto: NodeProto,
    /// How errors name it.
    pub place: String,
}

/// A constant.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub axes: Vec<usize>,
    pub data: Data,
}

/// The numbers of a constant, row-major.
#[derive(Clone, Debug)]
pub enum Data {
    Real(Vec<f32>),
    Whole(Vec<i64>),
}

impl Tensor {
    /// The numbers as real ones.
    pub fn reals(&self) -> Vec<f32> {
        match &self.data {
            Data::Real(values) => values.clone(),
            Data::Whole(values) => values.iter().map(|v| *v as f32).collect(),
        }
    }

    /// The integers, where they are.
    pub fn wholes(&self) -> Option<&[i64]> {
        if let Data::Whole(values) = &self.data { Some(values) } else { None }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Real(values) => values.len(),
            Data::Whole(values) => values.len(),
        }
    }
}

impl Node {
    pub fn operator(&self) -> &str {
        &self.proto.op_type
    }

    /// The name of an input; none where it is left out.
    pub fn input(&self, i: usize) -> Option<&str> {
        self.proto.input.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The name of the first output.
    pub fn output(&self) -> &str {
        self.proto.output.first().map_or("", String::as_str)
    }

    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// An integer attribute, or what it is where it is left out.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    /// A real attribute, or what it is where it is left out.
    pub fn real(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |attribute| attribute.f)
    }

    /// A text attribute.
    pub fn text(&self, name: &str) -> Option<String> {
        self.attribute(name).map(|attribute| String::from_utf8_lossy(&attribute.s).into_owned())
    }

    /// An attribute of so many sizes.
    ///
    /// # Errors
    /// Where there are more or fewer, or one is negative.
    pub fn sizes(&self, name: &str, count: usize, default: usize) -> Result<Vec<usize>> {
        let Some(attribute) = self.attribute(name) else { return Ok(vec![default; count]) };
        let sizes: Option<Vec<usize>> =
            attribute.ints.iter().map(|size| usize::try_from(*size).ok()).collect();
        sizes.filter(|sizes| sizes.len() == count).ok_or_else(|| {
            let cause = format!("has `{name}` = {:?}, where {count} sizes are due", attribute.ints);
            self.refused(cause)
        })
    }

    /// The order that a Transpose gives axes; none where it is not one of so many.
    pub fn order(&self, rank: usize) -> Option<Vec<usize>> {
        let Some(order) = self.attribute("perm") else { return Some((0..rank).rev().collect()) };
        let order = order.ints.iter().map(|axis| usize::try_from(*axis).ok());
        let order: Vec<usize> = order.collect::<Option<_>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        (sorted == (0..rank).collect::<Vec<_>>()).then_some(order)
    }

    /// An error at this node.
    pub fn refused(&self, cause: impl std::fmt::Display) -> Error {
        Error::input(&self.place, cause)
    }
}

/// Reads a file, and the files beside it that its tensors lie in.
///
/// # Errors
/// Where it cannot be read, is no ONNX file or damaged, or is not of an understood operator set.
pub fn read(path: &Path) -> Result<Graph> {
    let place = path.display().to_string();
    let bytes = files::read(path)?;
    let damaged =
        |cause: &str| Error::input(&place, format_args!("is no usable ONNX file: {cause}"));
    let model = ModelProto::decode(&*bytes).map_err(|e| damaged(&e.to_string()))?;
    let graph = model.graph.ok_or_else(|| damaged("it has no graph"))?;
    let standard = |domain: &str| matches!(domain, "" | "ai.onnx");
    let opset = model.opset_import.iter().find(|set| standard(&set.domain)).map(|set| set.version);
    let opset = opset.ok_or_else(|| damaged("it names no operator set"))?;
    if !OPSETS.contains(&opset) {
        let (from, to) = (OPSETS.start(), OPSETS.end());
        let cause = format!("is of operator set {opset}; understood are {from} to {to}");
        let help = format!("torch.onnx.export(…, opset_version={to}) writes such a file");
        return Err(Error::input(&place, cause).help(help));
    }
    let mut constants = HashMap::new();
    for tensor in &graph.initializer {
        let at = format!("{place}: tensor `{}`", tensor.name);
        constants.insert(tensor.name.clone(), constant(tensor, &at, path)?);
    }
    let mut nodes = vec![];
    for (i, proto) in graph.node.into_iter().enumerate() {
        let output = proto.output.first().map_or("", String::as_str);
        let name = if proto.name.is_empty() { format!("#{i}") } else { proto.name.clone() };
        let at = format!("{place}: node `{name}` ({}, output `{output}`)", proto.op_type);
        if proto.op_type == "Constant"
            && standard(&proto.domain)
            && let Some(tensor) = of_node(&proto, &at, path)?
        {
            constants.insert(output.to_owned(), tensor);
        }
        nodes.push(Node { proto, place: at });
    }
    // Old files list their initializers among the inputs.
    let mut inputs = graph.input.iter().filter(|input| !constants.contains_key(&input.name));
    let (input, more) = (inputs.next(), inputs.count());
    let (Some(input), 0, [output]) = (input, more, &*graph.output) else {
        let inputs = usize::from(input.is_some()) + more;
        let cause = format!(
            "has {} and {}; understood are networks of one of each",
            count(inputs, "input"),
            count(graph.output.len(), "output")
        );
        return Err(Error::input(&place, cause)
            .help("take the part between one of each, as onnx.utils.extract_model does"));
    };
    let shape = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref()?.shape.as_ref());
    let shape = shape.ok_or_else(|| {
        Error::input(
            &place,
            format_args!("does not say which shape its input `{}` has", input.name),
        )
    })?;
    let size = |dimension: &messages::Dimension| match dimension.value {
        Some(Size::DimValue(size)) => usize::try_from(size).ok().filter(|size| *size > 0),
        _ => None,
    };
    let axes = shape.dim.iter().map(size).collect();
    let (input, output) = ((input.name.clone(), axes), output.name.clone());
    Ok(Graph { path: place, nodes, constants, input, output })
}

/// What a `Constant` yields, where that is a tensor of numbers.
fn of_node(node: &NodeProto, place: &str, path: &Path) -> Result<Option<Tensor>> {
    let Some(attribute) = node.attribute.first() else { return Ok(None) };
    let AttributeProto { f, i, floats, ints, t, .. } = attribute;
    let (axes, data) = match (&*attribute.name, t) {
        ("value", Some(t)) => return constant(t, place, path).map(Some),
        ("value_float", _) => (vec![], Data::Real(vec![*f])),
        ("value_int", _) => (vec![], Data::Whole(vec![*i])),
        ("value_floats", _) => (vec![floats.len()], Data::Real(floats.clone())),
        ("value_ints", _) => (vec![ints.len()], Data::Whole(ints.clone())),
        _ => return Ok(None),
    };
    Ok(Some(Tensor { axes, data }))
}

/// The numbers of a tensor, from the file or from one beside it.
fn constant(tensor: &TensorProto, place: &str, path: &Path) -> Result<Tensor> {
    let fail = |cause: String| Error::input(place, cause);
    let axes: Option<Vec<usize>> =
        tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect();
    let count = axes.as_ref().and_then(|axes| {
        let count = axes.iter().try_fold(1usize, |n, size| n.checked_mul(*size))?;
        let fits = count <= MOST_ENTRIES && (count > 0 || axes.len() == 1);
        fits.then_some(count)
    });
    let (Some(axes), Some(count)) = (axes, count) else {
        return Err(fail(format!("has the impossible shape {:?}", tensor.dims)));
    };
    let raw = if tensor.data_location == messages::EXTERNAL {
        external(tensor, place, path)?
    } else {
        tensor.raw_data.clone()
    };
    let typed_ints = || tensor.int32_data.iter().map(|v| i64::from(*v)).collect();
    let data = match tensor.data_type {
        1 if raw.is_empty() => Data::Real(tensor.float_data.clone()),
        1 => Data::Real(numbers(&raw, f32::from_le_bytes)),
        11 if raw.is_empty() => Data::Real(tensor.double_data.iter().map(|v| *v as f32).collect()),
        11 => Data::Real(numbers(&raw, |b| f64::from_le_bytes(b) as f32)),
        10 if raw.is_empty() => {
            Data::Real(tensor.int32_data.iter().map(|v| half(*v as u16)).collect())
        }
        10 => Data::Real(numbers(&raw, |b| half(u16::from_le_bytes(b)))),
        16 if raw.is_empty() => Data::Real(
            tensor.int32_data.iter().map(|v| f32::from_bits((*v as u32) << 16)).collect(),
        ),
        16 => Data::Real(numbers(&raw, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))),
        7 if raw.is_empty() => Data::Whole(tensor.int64_data.clone()),
        7 => Data::Whole(numbers(&raw, i64::from_le_bytes)),
        2 | 3 | 6 if raw.is_empty() => Data::Whole(typed_ints()),
        6 => Data::Whole(numbers(&raw, |b| i32::from_le_bytes(b).into())),
        2 => Data::Whole(raw.iter().map(|v| (*v).into()).collect()),
        3 => Data::Whole(raw.iter().map(|v| i64::from(*v as i8)).collect()),
        // Others are told where a node needs them: a mask of booleans may be of no use to any.
        _ => return Ok(Tensor { axes: vec![0], data: Data::Whole(vec![]) }),
    };
    let tensor = Tensor { axes, data };
    if tensor.len() != count {
        let cause =
            format!("has {} numbers, its shape {:?} asks for {count}", tensor.len(), tensor.axes);
        return Err(fail(cause));
    }
    if let Data::Real(values) = &tensor.data
        && let Some(v) = values.iter().find(|v| v.is_nan())
    {
        return Err(fail(format!("holds {v}")));
    }
    Ok(tensor)
}

/// Numbers of N bytes each, the lowest byte first; what is left over is no number.
fn numbers<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).map(|chunk| number(chunk.try_into().unwrap_or([0; N]))).collect()
}

/// A number of 16 bits, IEEE's binary16.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = ((bits >> 10 & 31) as i32, f32::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (fraction + 1024.0) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// The bytes of a tensor that lie in a file beside the one that names it.
pub fn external(tensor: &TensorProto, place: &str, path: &Path) -> Result<Vec<u8>> {
    let entry = |key: &str| {
        let found = tensor.external_data.iter().find(|entry| entry.key == key);
        found.map(|entry| entry.value.as_str())
    };
    let location = entry("location").unwrap_or_default();
    let beside = Path::new(location);
    // Nothing outside of the folder is looked at.
    if location.is_empty() || !beside.components().all(|c| matches!(c, Component::Normal(_))) {
        let cause = format!("lies in {location:?}, which is no file beside the network's");
        return Err(Error::input(place, cause));
    }
    let file = path.parent().unwrap_or(Path::new("")).join(beside);
    let fail = |cause: String| {
        Error::io(&file, cause)
            .within(place)
            .help("copy the .onnx file together with the .data file that was written beside it")
    };
    let unread = |e: std::io::Error| fail(format!("cannot be read: {}", of_system(&e)));
    let metadata = std::fs::metadata(&file).map_err(unread)?;
    let number =
        |key: &str, default: u64| entry(key).map_or(Some(default), |text| text.parse().ok());
    let range = number("offset", 0).and_then(|offset| {
        let length = number("length", metadata.len().saturating_sub(offset))?;
        let fits = offset.checked_add(length)? <= metadata.len();
        (metadata.is_file() && fits && length <= 8 * MOST_ENTRIES as u64)
            .then_some((offset, length))
    });
    let Some((offset, length)) = range else {
        return Err(fail("is shorter than the network says".into()));
    };
    let read = || -> std::io::Result<Vec<u8>> {
        let mut open = File::open(&file)?;
        open.seek(SeekFrom::Start(offset))?;
        let mut bytes = vec![];
        open.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(unread)
}
