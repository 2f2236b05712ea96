//! Changes to every linear layer at once, whatever the description says of each: what a sweep
//! varies.

use super::{Layer, Network, plan};
use crate::error::Result;

impl Network {
    /// Gives every linear layer r = max(1, round(ratio · outputs)), where outputs are channels or
    /// units. The last layer, and that of each head, gets no fewer than it has outputs, as in
    /// StrassenNets: its r is the rank of what it computes, and with fewer the classes could not
    /// vary independently. Plain layers, which have no budget, keep their coefficient per output.
    pub fn set_ratio(&mut self, ratio: f64) {
        self.spn.ratio = ratio;
        each(&mut self.layers, &mut |layer| match layer {
            Layer::Dense(dense) => dense.r = None,
            Layer::Conv2d(conv) => conv.r = None,
            Layer::Conv1d(conv) => conv.r = None,
            Layer::ConvTranspose2d(conv) => conv.r = None,
            Layer::ConvTranspose1d(conv) => conv.r = None,
            Layer::SeparableConv2d(conv) => conv.r = None,
            Layer::SeparableConv1d(conv) => conv.r = None,
            Layer::Highway(highway) => highway.r = None,
            Layer::Lstm(layer) | Layer::Gru(layer) => layer.r = None,
            _ => {}
        });
        let plain = self.spn.plain;
        let at_least = |outputs: usize| Some(plan::budget(ratio, outputs).max(outputs));
        let wide = |layer: Option<&mut Layer>| match layer {
            Some(Layer::Dense(dense)) if !dense.plain.unwrap_or(plain) && dense.rank.is_none() => {
                dense.r = at_least(dense.units)
            }
            Some(Layer::Conv2d(conv)) if !conv.plain.unwrap_or(plain) => {
                conv.r = at_least(conv.channels)
            }
            Some(Layer::Conv1d(conv)) if !conv.plain.unwrap_or(plain) => {
                conv.r = at_least(conv.channels)
            }
            Some(Layer::ConvTranspose2d(conv)) => conv.r = at_least(conv.channels),
            Some(Layer::ConvTranspose1d(conv)) => conv.r = at_least(conv.channels),
            Some(Layer::SeparableConv2d(conv)) if !plain => conv.r = at_least(conv.channels),
            Some(Layer::SeparableConv1d(conv)) if !plain => conv.r = at_least(conv.channels),
            _ => {}
        };
        wide(self.layers.last_mut());
        each(&mut self.layers, &mut |layer| {
            if let Layer::Head(head) = layer {
                wide(head.layers.last_mut());
            }
        });
    }

    /// Gives each linear layer that `r` knows, by its name, a budget of its own.
    ///
    /// # Errors
    /// Where a layer does not take it.
    pub fn set_budgets(&mut self, r: impl Fn(&str) -> Option<usize>) -> Result<()> {
        let steps = self.linear();
        let mut given = steps.iter().map(|step| r(&step.name));
        each(&mut self.layers, &mut |layer| {
            let own = match layer {
                Layer::Dense(dense) => {
                    if let Some(r) = given.next().flatten() {
                        // An r says more than a rank.
                        (dense.r, dense.rank) = (Some(r), None);
                    }
                    return;
                }
                Layer::Conv2d(conv) => &mut conv.r,
                Layer::Conv1d(conv) => &mut conv.r,
                Layer::ConvTranspose2d(conv) => &mut conv.r,
                Layer::ConvTranspose1d(conv) => &mut conv.r,
                Layer::SeparableConv2d(conv) => {
                    // Of the depthwise half, which has a key of its own.
                    given.next();
                    &mut conv.r
                }
                Layer::SeparableConv1d(conv) => {
                    given.next();
                    &mut conv.r
                }
                _ => return,
            };
            if let Some(r) = given.next().flatten() {
                *own = Some(r);
            }
        });
        self.validate()
    }

    /// Gives every convolution output patches of p × p pixels, on images of one row 1 × p, plain
    /// ones excepted, which have none.
    pub fn set_p(&mut self, p: usize) {
        self.spn.p = p;
        each(&mut self.layers, &mut |layer| match layer {
            Layer::Conv2d(conv) => conv.p = None,
            Layer::Conv1d(conv) => conv.p = None,
            Layer::SeparableConv2d(conv) => conv.p = None,
            Layer::SeparableConv1d(conv) => conv.p = None,
            _ => {}
        });
    }

    /// Gives every linear layer this ternary threshold factor.
    pub fn set_threshold(&mut self, threshold: f64) {
        self.train.threshold = threshold;
        each(&mut self.layers, &mut |layer| match layer {
            Layer::Dense(dense) => dense.threshold = None,
            Layer::Conv2d(conv) => conv.threshold = None,
            Layer::Conv1d(conv) => conv.threshold = None,
            Layer::ConvTranspose2d(conv) => conv.threshold = None,
            Layer::ConvTranspose1d(conv) => conv.threshold = None,
            Layer::SeparableConv2d(conv) => conv.threshold = None,
            Layer::SeparableConv1d(conv) => conv.threshold = None,
            Layer::Highway(highway) => highway.threshold = None,
            Layer::Lstm(layer) | Layer::Gru(layer) => layer.threshold = None,
            _ => {}
        });
    }
}

/// Calls `change` for each layer, those of branches and heads included.
fn each(layers: &mut [Layer], change: &mut dyn FnMut(&mut Layer)) {
    for layer in layers {
        if let Layer::Residual(branches) | Layer::Concat(branches) = layer {
            each(&mut branches.body, change);
            each(&mut branches.shortcut, change);
        }
        if let Layer::Head(head) = layer {
            each(&mut head.layers, change);
        }
        change(layer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_layers_say_of_themselves_gives_way() {
        let text = r#"name = "images"
input = { shape = [8, 8, 4], bits = 8, frac = 8 }
layers = [
    { conv2d = { channels = 8, kernel = 3, pad = 1, r = 6, p = 4, threshold = 2.0 } },
    "relu",
    { residual = { body = [{ conv2d = { channels = 8, kernel = 3, pad = 1, r = 60 } }] } },
    { concat = { body = [{ conv2d = { channels = 4, kernel = 3, pad = 1, r = 7, p = 3 } }] } },
    { conv2d = { channels = 5, kernel = 1, plain = true } },
    "relu",
    { dense = { units = 3, r = 50, threshold = 0.1 } },
]
"#;
        let mut network = Network::parse("images", text).unwrap();
        network.set_ratio(0.25);
        network.set_p(2);
        network.set_threshold(1.1);
        network.validate().unwrap();
        let layers = network.linear();
        let figures: Vec<_> = layers
            .iter()
            .filter_map(|s| s.linear())
            .map(|l| (l.r, l.patch.both(), l.threshold))
            .collect();
        assert_eq!(
            figures,
            [
                (2, [2; 2], None),
                (2, [2; 2], None),
                (1, [2; 2], None),
                (5, [1; 2], None),
                (3, [1; 2], None)
            ]
        );
        assert_eq!(network.train.threshold, 1.1);
        network.set_ratio(4.0);
        let r: Vec<_> = network.linear().iter().filter_map(|s| s.linear()).map(|l| l.r).collect();
        assert_eq!(r, [32, 32, 16, 5, 12]);
    }
}
