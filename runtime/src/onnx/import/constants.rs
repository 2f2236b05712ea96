//! The nodes that read constants alone.

use super::view::View;
use super::{Builder, Data, Node, Tensor};
use crate::error::Result;

impl Builder<'_> {
    /// A node that reads constants alone, of which there are those that exporters leave.
    pub(super) fn constant_node(&mut self, node: &Node) -> Result<()> {
        if node.operator() == "Constant" {
            return if self.constants.contains_key(node.output()) {
                Ok(())
            } else {
                Err(node.refused("holds no tensor of numbers"))
            };
        }
        let given = self.constant(node, 0, "input")?.clone();
        self.make(node, Some(given.len()))?;
        let tensor = match node.operator() {
            "Identity" | "Dropout" | "Cast" | "QuantizeLinear" => Some(given),
            "DequantizeLinear" if matches!(given.data, Data::Real(_)) => Some(given),
            "DequantizeLinear" => self.dequantised(node, &given)?,
            "Transpose" => transposed(node, &given),
            "Reshape" => {
                let axes = self.wholes(node, 1, "shape")?.unwrap_or_default();
                reshaped(given, &axes)
            }
            "Unsqueeze" if given.axes.is_empty() => Some(Tensor { axes: vec![1], ..given }),
            "Squeeze" if given.len() == 1 => Some(Tensor { axes: vec![], ..given }),
            "Gather" => gathered(&given, self.constant(node, 1, "indices")?),
            "Concat" if given.axes.len() == 1 => {
                let mut data = vec![];
                for i in 0..node.proto.input.len() {
                    data.extend(self.wholes(node, i, "input")?.unwrap_or_default());
                }
                Some(Tensor { axes: vec![data.len()], data: Data::Whole(data) })
            }
            _ => None,
        };
        let tensor = tensor.ok_or_else(|| {
            let cause = format!("is a {} of constants that is not understood", node.operator());
            node.refused(cause).help("export with constants folded")
        })?;
        self.constants.insert(node.output().to_owned(), tensor);
        Ok(())
    }

    /// The real numbers of integers with scales and zero points, for all or along one axis.
    fn dequantised(&self, node: &Node, given: &Tensor) -> Result<Option<Tensor>> {
        let scale = self.constant(node, 1, "scale")?.reals();
        let zero = self.optional(node, 2, "zero point")?;
        let zero = zero.map_or(vec![0.0; scale.len()], Tensor::reals);
        let axis = node.int("axis", 1);
        let axis = if axis < 0 { axis.saturating_add(given.axes.len() as i64) } else { axis };
        let (channels, inner) = match usize::try_from(axis).ok().and_then(|a| given.axes.get(a..)) {
            Some([channels, inner @ ..]) if scale.len() > 1 => (*channels, inner.iter().product()),
            _ => (1, given.len().max(1)),
        };
        if scale.len() != channels || zero.len() != channels {
            return Ok(None);
        }
        let value = |(i, v): (usize, f32)| {
            let c = i / inner % channels;
            (v - zero[c]) * scale[c]
        };
        let data = given.reals().into_iter().enumerate().map(value).collect();
        Ok(Some(Tensor { axes: given.axes.clone(), data: Data::Real(data) }))
    }
}

/// A constant with other axes, of which one, -1, is whatever is left.
fn reshaped(given: Tensor, axes: &[i64]) -> Option<Tensor> {
    let mut known = axes.iter().filter(|size| **size > 0);
    let known = known.try_fold(1usize, |n, size| n.checked_mul(usize::try_from(*size).ok()?))?;
    let size = |size: &i64| match size {
        -1 => Some(given.len() / known),
        size => usize::try_from(*size).ok(),
    };
    let axes: Vec<usize> = axes.iter().map(size).collect::<Option<_>>()?;
    let count = axes.iter().try_fold(1usize, |n, size| n.checked_mul(*size));
    (count == Some(given.len())).then_some(Tensor { axes, ..given })
}

/// Integers of a list, by their indices; those below 0 count from its end.
fn gathered(given: &Tensor, indices: &Tensor) -> Option<Tensor> {
    let (values, [_]) = (given.wholes()?, &*given.axes) else { return None };
    let at = |i: &i64| {
        let i = if *i < 0 { i.saturating_add(values.len() as i64) } else { *i };
        values.get(usize::try_from(i).ok()?).copied()
    };
    let data = indices.wholes()?.iter().map(at).collect::<Option<_>>()?;
    Some(Tensor { axes: indices.axes.clone(), data: Data::Whole(data) })
}

/// A constant with its axes in another order.
fn transposed(node: &Node, given: &Tensor) -> Option<Tensor> {
    let order = node.order(given.axes.len())?;
    let own = View::plain(&given.axes);
    let places = View(order.iter().map(|axis| own.0[*axis].clone()).collect()).places();
    let axes = order.iter().map(|axis| given.axes[*axis]).collect();
    let data = match &given.data {
        Data::Real(v) => Data::Real(places.iter().map(|i| v[*i as usize]).collect()),
        Data::Whole(v) => Data::Whole(places.iter().map(|i| v[*i as usize]).collect()),
    };
    Some(Tensor { axes, data })
}
