//! The layers of a graph as a chain of layers, with branches in which more than one way leads on.

use super::{Kind, Op};
use crate::network::{Branches, Layer};
use crate::shape::Join;

/// A layer of a chain, with the number of the op it comes from.
pub(super) enum Item {
    /// One that reads what the one before it yields.
    Layer(usize, Layer),
    /// A function of each element, which belongs to what is before it.
    Activation(usize, Layer),
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
                Kind::Activation(layer) => {
                    activation(&mut items, op, layer).map_err(|cause| (op, cause))?;
                }
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
        Layer::ConvTranspose2d(conv) => conv.groups.is_none(),
        Layer::ConvTranspose1d(conv) => conv.groups.is_none(),
        Layer::Conv2d(conv) => conv.groups.is_none(),
        Layer::Conv1d(conv) => conv.groups.is_none(),
        _ => false,
    }
}

pub(super) fn is_linear(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Dense(_)
            | Layer::Conv2d(_)
            | Layer::Conv1d(_)
            | Layer::ConvTranspose2d(_)
            | Layer::ConvTranspose1d(_)
    )
}

fn ends_linear(items: &[Item]) -> bool {
    matches!(items.last(), Some(Item::Layer(_, layer)) if is_linear(layer))
}

/// Puts a function behind a linear layer or a join: what is picked of values, as the largest of a
/// window, is picked of what a function makes of them as well, since none of ours ever falls.
fn activation(items: &mut Vec<Item>, op: usize, layer: &Layer) -> Result<(), &'static str> {
    let picks =
        |item: &Item| matches!(item, Item::Layer(_, Layer::MaxPool(_) | Layer::Upsample(_)));
    let at = items.iter().rposition(|item| !picks(item)).map_or(0, |i| i + 1);
    match at.checked_sub(1).map(|i| &items[i]) {
        // What is never negative stays.
        Some(Item::Activation(
            _,
            Layer::Relu | Layer::Relu6 | Layer::ClippedRelu(_) | Layer::Sigmoid,
        )) if *layer == Layer::Relu => {}
        Some(Item::Activation(..)) => return Err("is a function of what another function yields"),
        Some(Item::Layer(_, before)) if is_linear(before) => {
            items.insert(at, Item::Activation(op, layer.clone()));
        }
        Some(Item::Join(..)) => items.insert(at, Item::Activation(op, layer.clone())),
        _ => {
            return Err(
                "is a function of what neither a linear layer nor a sum or concatenation yields",
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
            // A relu is no step of a plan.
            Item::Activation(_, Layer::Relu) => Layer::Relu,
            Item::Activation(op, layer) => {
                order.push(op);
                layer
            }
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
