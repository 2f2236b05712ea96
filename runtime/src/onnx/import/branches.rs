//! The layers of a graph as a chain of layers, with branches in which more than one way leads on.

use super::{Kind, Op};
use crate::network::{Branches, Layer};
use crate::shape::Join;

/// A layer of a chain, with the number of the op it comes from.
pub(super) enum Item {
    /// One that reads what the one before it yields.
    Layer(usize, Layer),
    /// max(0, x), which belongs to what is before it.
    Relu,
    /// Two branches.
    Join(usize, Join, Vec<Item>, Vec<Item>),
}

/// Branches within branches, at most.
const DEEPEST: usize = 64;

/// What is wrong with an op.
pub(super) type Refused = (usize, &'static str);

/// Takes ops apart into chains.
pub(super) struct Chains<'a> {
    pub ops: &'a [Op],
    /// The op through which all that each one reads has come.
    pub before: &'a [usize],
    /// Whether each op is in a chain already.
    pub used: Vec<bool>,
}

impl Chains<'_> {
    /// The layers from op `from`, without it, to op `to`.
    pub fn chain(&mut self, from: usize, to: usize, depth: usize) -> Result<Vec<Item>, Refused> {
        if depth > DEEPEST {
            return Err((to, "is in branches within more than 64 branches"));
        }
        let mut way = vec![];
        let mut at = to;
        while at != from {
            if std::mem::replace(&mut self.used[at], true) {
                return Err((at, "is read in two places that are not two branches of one"));
            }
            way.push(at);
            at = self.before[at];
        }
        let mut items: Vec<Item> = vec![];
        for op in way.into_iter().rev() {
            match &self.ops[op].kind {
                Kind::Input => {}
                Kind::Relu => relu(&mut items).map_err(|cause| (op, cause))?,
                Kind::Linear(layer, _) => {
                    if let Some(Item::Layer(_, before)) = items.last()
                        && ungrouped(before)
                        && ungrouped(layer)
                    {
                        let cause = "follows another linear layer with nothing between them: the \
                                     two are one linear map";
                        return Err((op, cause));
                    }
                    items.push(Item::Layer(op, layer.clone()));
                }
                Kind::Pixels(layer) => items.push(Item::Layer(op, layer.clone())),
                Kind::Join(join) => {
                    let [a, b] = [0, 1].map(|side| self.ops[op].from[side]);
                    let mut body = self.chain(self.before[op], a, depth + 1)?;
                    let mut shortcut = self.chain(self.before[op], b, depth + 1)?;
                    if *join == Join::Add {
                        if !ends_linear(&body) {
                            std::mem::swap(&mut body, &mut shortcut);
                        }
                        if !ends_linear(&body) {
                            let cause = "adds two values neither of which a linear layer yields";
                            return Err((op, cause));
                        }
                    }
                    items.push(Item::Join(op, *join, body, shortcut));
                }
            }
        }
        Ok(items)
    }
}

fn ungrouped(layer: &Layer) -> bool {
    match layer {
        Layer::Dense(_) => true,
        Layer::Conv2d(conv) => conv.groups.is_none(),
        Layer::Conv1d(conv) => conv.groups.is_none(),
        _ => false,
    }
}

pub(super) fn is_linear(layer: &Layer) -> bool {
    matches!(layer, Layer::Dense(_) | Layer::Conv2d(_) | Layer::Conv1d(_))
}

fn ends_linear(items: &[Item]) -> bool {
    matches!(items.last(), Some(Item::Layer(_, layer)) if is_linear(layer))
}

/// Puts max(0, x) behind a linear layer or a join: what is picked of values, as the largest of a
/// window, is picked of max(0, x) as well.
fn relu(items: &mut Vec<Item>) -> Result<(), &'static str> {
    let picks =
        |item: &Item| matches!(item, Item::Layer(_, Layer::MaxPool(_) | Layer::Upsample(_)));
    let at = items.iter().rposition(|item| !picks(item)).map_or(0, |i| i + 1);
    match at.checked_sub(1).map(|i| &items[i]) {
        Some(Item::Relu) => {}
        Some(Item::Layer(_, layer)) if is_linear(layer) => items.insert(at, Item::Relu),
        Some(Item::Join(..)) => items.insert(at, Item::Relu),
        _ => {
            return Err(
                "is max(0, x) of what neither a linear layer nor a sum or concatenation yields",
            );
        }
    }
    Ok(())
}

/// The layers of a description, and the ops in the order of its plan.
pub(super) fn layers(items: Vec<Item>, order: &mut Vec<usize>) -> Vec<Layer> {
    let mut all = vec![];
    for item in items {
        all.push(match item {
            Item::Relu => Layer::Relu,
            Item::Layer(op, layer) => {
                order.push(op);
                layer
            }
            Item::Join(op, join, body, shortcut) => {
                let body = layers(body, order);
                let branches = Branches { body, shortcut: layers(shortcut, order) };
                order.push(op);
                match join {
                    Join::Add => Layer::Residual(branches),
                    Join::Concat => Layer::Concat(branches),
                }
            }
        });
    }
    all
}
