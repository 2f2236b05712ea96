//! The nodes that move elements to other axes.

use super::view::View;
use super::{Builder, Node};
use crate::error::Result;

/// Counts an axis from the front, where it is one below 0, from the back.
fn from_front(axis: i64, rank: i64) -> i64 {
    if axis < 0 { axis.saturating_add(rank) } else { axis }
}

impl Builder<'_> {
    /// Flatten, Reshape, Squeeze, Unsqueeze and Transpose.
    pub(super) fn moves(&mut self, node: &Node) -> Result<()> {
        let mut value = self.raw(node, 0)?;
        let axes = value.view.axes();
        self.make(node, Some(2 * value.view.elements()))?;
        let view = match node.operator() {
            "Transpose" => node.order(axes.len() + 1).filter(|order| order[0] == 0).map(|order| {
                View(order[1..].iter().map(|axis| value.view.0[axis - 1].clone()).collect())
            }),
            "Flatten" => {
                let rank = axes.len() as i64 + 1;
                let keeps = from_front(node.int("axis", 1), rank) == 1;
                keeps.then(|| axes.iter().product()).and_then(|n| value.view.reshaped(&[n]))
            }
            "Reshape" => {
                let shape = self.wholes(node, 1, "shape")?.unwrap_or_default();
                let copies = node.int("allowzero", 0) == 0;
                target(&shape, &axes, copies).and_then(|target| value.view.reshaped(&target))
            }
            "Squeeze" => {
                let given = self.wholes(node, 1, "axes")?;
                squeezed(&axes, given.as_deref()).and_then(|target| value.view.reshaped(&target))
            }
            _ => {
                let given = self.wholes(node, 1, "axes")?.unwrap_or_default();
                unsqueezed(&axes, &given).and_then(|target| value.view.reshaped(&target))
            }
        };
        value.view = view.ok_or_else(|| {
            let cause = format!(
                "moves elements of samples of axes {axes:?} otherwise than whole axes, or across \
                 samples"
            );
            node.refused(cause)
        })?;
        self.values.insert(node.output().to_owned(), value);
        Ok(())
    }
}

/// The axes, but that of the samples, of a Reshape: 0 copies one where `copies`, -1 is whatever is
/// left. None where samples would mix.
fn target(shape: &[i64], axes: &[usize], copies: bool) -> Option<Vec<usize>> {
    let elements: usize = axes.iter().product();
    let copied = |(i, size): (usize, &i64)| match size {
        0 if copies => axes.get(i).map(|size| *size as i64),
        size => Some(*size),
    };
    let shape: Vec<i64> = shape.iter().skip(1).enumerate().map(copied).collect::<Option<_>>()?;
    let mut known = shape.iter().filter(|size| **size != -1);
    let known = known.try_fold(1usize, |n, size| n.checked_mul(usize::try_from(*size).ok()?));
    let known = known.filter(|n| *n > 0 && elements.is_multiple_of(*n))?;
    let open = shape.iter().filter(|size| **size == -1).count();
    let fits = open == 1 || open == 0 && known == elements;
    let size = |size: &i64| if *size == -1 { elements / known } else { *size as usize };
    (fits && !shape.is_empty()).then(|| shape.iter().map(size).collect())
}

/// The axes that are left once these, or all of size 1, are gone.
fn squeezed(axes: &[usize], given: Option<&[i64]>) -> Option<Vec<usize>> {
    let rank = axes.len() as i64 + 1;
    let gone = |axis: i64, size: usize| match given {
        Some(given) => given.iter().any(|a| from_front(*a, rank) == axis),
        None => size == 1,
    };
    let kept = axes.iter().zip(1..).filter(|(size, axis)| !gone(*axis, **size));
    let kept: Vec<usize> = kept.map(|(size, _)| *size).collect();
    // What is gone was of size 1, and no axis of samples.
    let fits = !given.is_some_and(|given| given.iter().any(|a| from_front(*a, rank) == 0))
        && kept.iter().product::<usize>() == axes.iter().product::<usize>();
    fits.then(|| if kept.is_empty() { vec![1] } else { kept })
}

/// The axes with new ones of size 1.
fn unsqueezed(axes: &[usize], given: &[i64]) -> Option<Vec<usize>> {
    let rank = axes.len() as i64 + 1 + given.len() as i64;
    let is_new = |axis: i64| given.iter().any(|a| from_front(*a, rank) == axis);
    let mut rest = axes.iter().copied();
    // The axis of samples stays the first.
    let all = (1..rank).map(|axis| if is_new(axis) { Some(1) } else { rest.next() });
    let all: Option<Vec<usize>> = all.collect();
    all.filter(|_| !is_new(0) && rest.next().is_none())
}
