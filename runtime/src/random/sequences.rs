//! Random models of networks over sequences: the float network before any training, made ternary;
//! its formats are chosen on symbols that enter one after another, as those of a trained network
//! are.

use super::{Figures, Options, Random, SAMPLES, axes, check_density, provenance};
use crate::data::{Symbols, Text};
use crate::error::{Error, Result};
use crate::golden::{self, Trace};
use crate::model::{Dense, Layer, Model};
use crate::network::Network;
use crate::network::plan::Op;
use crate::shape::Extent;
use crate::train::{Drawn, check_symbols};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A random model of a network over sequences, calibrated on the first `count` symbols of a text's
/// test part, or on as many that are drawn. The same arguments give the same model on any number of
/// threads.
///
/// # Errors
/// Where the description or an option is wrong, or the text has other symbols than the network
/// takes.
pub fn random_sequence(
    network: &Network,
    text: Option<&Text>,
    count: usize,
    options: &Options,
) -> Result<Random> {
    network.validate()?;
    check_density(options.density)?;
    if !SAMPLES.contains(&count) {
        let (least, most) = (SAMPLES.start(), SAMPLES.end());
        return Err(Error::input("symbols", format_args!("are {count}, not {least} to {most}")));
    }
    let steps = network.plan()?;
    let rows = steps
        .iter()
        .find_map(|step| if let Op::Embedding { rows } = step.op { Some(rows) } else { None });
    let Some(rows) = rows else {
        return Err(Error::input(
            format_args!("network `{}`", network.name),
            "is for sequences, and has no embedding",
        ));
    };
    let elements = network.input.elements();
    let (inputs, tokens) = match text {
        Some(text) => {
            check_symbols(network, &text.symbols)?;
            (text.symbols.inputs(elements), text.test[..text.test.len().min(count)].to_vec())
        }
        None => {
            let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
            let symbols = if network.is_of_words() { network.outputs() } else { rows };
            let spelling = |rng: &mut ChaCha8Rng, i: usize| {
                if network.is_of_words() { rng.random_range(0..rows as u32) } else { i as u32 }
            };
            let inputs = Array2::from_shape_fn((symbols, elements), |(i, _)| spelling(&mut rng, i));
            (inputs, (0..count).map(|_| rng.random_range(0..symbols as u32)).collect())
        }
    };
    let mut provenance = provenance(network, options);
    if let Some(Symbols { alphabet, words }) = text.map(|text| &text.symbols) {
        provenance.alphabet = Some(alphabet.iter().collect());
        provenance.words = words.clone();
    }
    let drawn = Drawn { density: options.density, seed: options.seed };
    let model = drawn.model(network, inputs.clone(), &tokens, provenance);
    model.validate()?;
    let mut state = golden::State::start();
    let traces: Vec<Trace> = (tokens.iter())
        .map(|token| {
            golden::step(&model, &mut state, &inputs.row(*token as usize).mapv(i64::from).to_vec())
        })
        .collect::<Result<_>>()?;
    let layers = figures(&model, &traces)?;
    let outputs = traces.into_iter().map(|mut trace| trace.pop().unwrap_or_default()).collect();
    Ok(Random { model, layers, outputs })
}

fn figures(model: &Model, traces: &[Trace]) -> Result<Vec<Figures>> {
    let mut edge = model.input();
    let mut all = vec![];
    for (i, layer) in model.layers.iter().enumerate() {
        edge = layer.yields(edge)?;
        let linear: Option<&Dense> = match layer {
            Layer::Dense(dense) => Some(dense),
            Layer::CharCnn(cnn) => Some(&cnn.filters),
            Layer::Highway(highway) => Some(&highway.gates),
            Layer::Recurrent(recurrent) => Some(&recurrent.gates),
            _ => None,
        };
        let format = (i + 1 < model.layers.len()).then_some(edge.1);
        let mut values: Vec<i64> =
            traces.iter().flat_map(|trace| trace[i + 1].iter().copied()).collect();
        let share = |count: usize| count as f64 / values.len().max(1) as f64;
        let saturated = format.map(|format| {
            share(
                values
                    .iter()
                    .filter(|v| **v == format.max() || format.signed && **v == format.min())
                    .count(),
            )
        });
        let positive = share(values.iter().filter(|v| **v > 0).count());
        values.sort_unstable();
        values.dedup();
        let density = |w: &Array2<i8>, entries: usize| {
            w.iter().filter(|v| **v != 0).count() as f64 / entries.max(1) as f64
        };
        let [of_b, of_c] = layer.entries(Extent::ONE);
        all.push(Figures {
            name: layer.name().to_owned(),
            output: axes(edge.0),
            r: linear.map(Dense::rows),
            density_b: linear.map(|linear| density(&linear.w_b, of_b)),
            density_c: linear
                .filter(|_| !matches!(layer, Layer::CharCnn(_)))
                .map(|linear| density(&linear.w_c, of_c)),
            distinct: values.len(),
            saturated,
            positive,
            format,
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::parse("t", &format!("name = \"t\"\n{text}")).unwrap()
    }

    const CHARACTERS: &str = "input = { shape = [1], bits = 5, frac = 0 }\nlayers = [{ embedding = \
        { rows = 9, units = 8 } }, { lstm = { units = 24, r = 24 } }, { dense = { units = 9, r = \
        24 } }]";
    const WORDS: &str = "input = { shape = [7], bits = 5, frac = 0 }\nlayers = [{ embedding = { \
        rows = 24, units = 4 } }, { char_cnn = { filters = [4, 6, 4] } }, { highway = {} }, { lstm \
        = { units = 16, r = 24 } }, { dense = { units = 7, r = 10 } }]";

    #[test]
    fn a_network_over_sequences_is_drawn() {
        let options = Options { density: 0.6, seed: 3, data: None };
        for text in [CHARACTERS, WORDS] {
            let network = network(text);
            let made = random_sequence(&network, None, 100, &options).unwrap();
            assert_eq!((made.outputs.len(), made.model.provenance.alphabet.clone()), (100, None));
            assert!(made == random_sequence(&network, None, 100, &options).unwrap());
            let lstm = made.layers.iter().find(|layer| layer.name.starts_with("lstm")).unwrap();
            assert!(lstm.is_lively(), "{lstm:?}");
            // What lies beside the blocks of a layer's gates is 0 in any, and does not count.
            for density in
                made.layers.iter().flat_map(|layer| [layer.density_b, layer.density_c]).flatten()
            {
                assert!((0.45..0.75).contains(&density), "{density}");
            }
            let sparse = Options { density: 0.2, ..options.clone() };
            let sparse = random_sequence(&network, None, 100, &sparse).unwrap();
            let mean =
                |made: &Random| made.layers.iter().filter_map(|layer| layer.density_b).sum::<f64>();
            assert!(mean(&sparse) < 0.6 * mean(&made));
        }
    }

    #[test]
    fn a_text_gives_the_symbols_and_another_one_is_refused() {
        let parts = ["the cat sat. ", "a hat", "the cats"];
        let text = Text::new("t".into(), parts).unwrap();
        let options = Options { density: 0.6, seed: 3, data: Some("t".into()) };
        let made = random_sequence(&network(CHARACTERS), Some(&text), 100, &options);
        let count = text.symbols.count();
        assert_eq!(count, 8);
        assert!(made.unwrap_err().to_string().contains("set `rows = 8`"));
        let fitting =
            network(&CHARACTERS.replace("rows = 9", "rows = 8").replace("units = 9", "units = 8"));
        let made = random_sequence(&fitting, Some(&text), 100, &options).unwrap();
        assert_eq!(made.outputs.len(), 8);
        assert_eq!(Symbols::of_model(&made.model).unwrap(), text.symbols);
        for count in [0, 5000] {
            assert!(
                random_sequence(&fitting, None, count, &options)
                    .unwrap_err()
                    .to_string()
                    .contains("not 1 to")
            );
        }
    }
}
