//! The table that makes a core whose parameters are loaded at run time another model: one that has
//! the same ternary matrices and formats, and other coefficients, biases and shifts of outputs.

use crate::build::{self, Build, MARGIN};
use crate::emit::control::{Parameter, ParameterKind, Table};
use crate::interval::half;
use crate::lower;
use crate::lower::MOST_BITS;
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::model::{Dense, Layer, Output};
use strassenc_runtime::train::{Coefficient, Loadable, Ranges};
use strassenc_runtime::{Error, Model, Result};

/// The table of a build.
///
/// # Errors
/// Where its parameters are not loaded.
pub fn layout(build: &Build) -> Result<&Table> {
    let control = build.signature.control.as_ref();
    control.and_then(|control| control.table.as_ref()).ok_or_else(|| {
        Error::input(build.folder.display(), "has parameters that are not loaded at run time")
            .help("write it anew with `strassenc verilog MODEL -o BUILD --reloadable`")
    })
}

/// The words that make the core of a build this model.
///
/// # Errors
/// Where the parameters of the build are not loaded, the model differs from the build's in more
/// than what is loaded, or some of this is beyond what its register holds.
pub fn words(build: &Build, model: &Model) -> Result<Vec<u32>> {
    let table = layout(build)?;
    let (own, new) = (linear(&build.model), linear(model));
    if own.keys().ne(new.keys()) || bare(&build.model) != bare(model) {
        let differs = |name: &&String| {
            own.get(*name).map(|dense| without(dense.clone()))
                != new.get(*name).map(|dense| without(dense.clone()))
        };
        let place = match own.keys().find(differs) {
            Some(name) => format!("layer `{name}`"),
            None => format!("model `{}`", model.name),
        };
        let cause = "differs from that of the build in more than what is loaded";
        return Err(Error::input(place, cause).help(
            "only models with the same ternary matrices and formats can be loaded: write a build \
             of this one",
        ));
    }
    absent(table, &new)?;
    if let Some(own) = moved(table, &own, &new) {
        return Err(Error::input(own.place, own.cause).help(larger(build, table, own.powers)));
    }
    let (mut values, mut beyond) = (vec![], vec![]);
    for parameter in &table.parameters {
        let Some(dense) = new.get(&parameter.layer) else {
            return Err(Error::internal(&parameter.layer, "is not a layer of the model"));
        };
        match value_of(parameter, dense) {
            Ok(value) => values.push(value),
            Err(own) => beyond.push(own),
        }
    }
    match beyond.first() {
        Some(Beyond { place, cause, .. }) => {
            let more = beyond.iter().map(|own| own.powers).max().unwrap_or(0);
            Err(Error::input(place, cause).help(larger(build, table, more)))
        }
        None => Ok(table.packed(&values)),
    }
}

/// What training may make of the model of a build, so that its core can load the result.
///
/// # Errors
/// Where the parameters of the build are not loaded.
pub fn loadable(build: &Build) -> Result<Loadable> {
    let table = layout(build)?;
    // What has no register stays what it is.
    let kept = |dense: &Dense| Ranges {
        coefficients: (dense.coefficients.iter().zip(&dense.coefficient_shifts))
            .map(|(a, t)| Coefficient::fixed(*a, *t))
            .collect(),
        biases: dense.bias.iter().map(|b| (*b, *b)).collect(),
        shifts: shifts(dense).iter().map(|s| (*s, *s)).collect(),
    };
    let linear = linear(&build.model).into_iter();
    let mut layers: BTreeMap<_, _> = linear.map(|(name, dense)| (name, kept(&dense))).collect();
    for Parameter { layer, kind, index, most, shift, .. } in &table.parameters {
        let Some(ranges) = layers.get_mut(layer) else { continue };
        match kind {
            ParameterKind::Coefficient => {
                let range = Coefficient { finest: *shift, least: -most, most: *most };
                ranges.coefficients[*index] = range;
            }
            ParameterKind::Bias => {
                let half = half(*shift);
                ranges.biases[*index] = (-most - half, most - half);
            }
            ParameterKind::Shift => ranges.shifts[*index] = (*shift, shift + *most as i32),
        }
    }
    let table = serde_json::to_string(table).map_err(|e| Error::internal("table", e))?;
    let sha256 = build::sha256(format!("{}{table}", build.record.model_sha256).as_bytes());
    Ok(Loadable { model: build.model.clone(), layers, sha256 })
}

/// A parameter that its register does not hold, and how many powers of two would be enough.
struct Beyond {
    place: String,
    cause: String,
    powers: u32,
}

/// What to do where registers are short of so many powers of two.
fn larger(build: &Build, table: &Table, more: u32) -> String {
    let powers = build.record.options.reloadable.unwrap_or(0).saturating_add(more);
    let coefficients = table.parameters.iter().filter(|p| p.kind == ParameterKind::Coefficient);
    let widest = coefficients.map(|parameter| parameter.bits).max().unwrap_or(0);
    // Each power makes a coefficient one bit larger and one finer.
    if MARGIN.contains(&powers) && widest + 2 * more <= MOST_BITS {
        return format!(
            "write the build anew with --reloadable={powers}, or train within what this one \
             holds: `strassenc train --frozen-from {}`",
            build.folder.display()
        );
    }
    format!(
        "no core that begins as this one can load that: write a build of this model, or train \
         within what this one holds: `strassenc train --frozen-from {}`",
        build.folder.display()
    )
}

/// Bits of a magnitude.
fn bits(v: u64) -> u32 {
    u64::BITS - v.leading_zeros()
}

/// The integer that is loaded into a parameter.
fn value_of(parameter: &Parameter, dense: &Dense) -> Result<i64, Beyond> {
    let Parameter { layer, kind, index, negate, shift, most, .. } = parameter;
    let place = match kind {
        ParameterKind::Coefficient => format!("layer `{layer}`, coefficient {index}"),
        ParameterKind::Bias => format!("layer `{layer}`, bias {index}"),
        ParameterKind::Shift => format!("layer `{layer}`, output {index}"),
    };
    let larger = |place, told: &str, powers| {
        let cause = format!("is {told}, larger than what its register holds");
        Err(Beyond { place, cause, powers })
    };
    let value = match kind {
        ParameterKind::Coefficient => {
            let (a, t) = (i64::from(dense.coefficients[*index]), dense.coefficient_shifts[*index]);
            let up = shift - t;
            let exact = match up {
                0..=32 => Some(a << up),
                -62..0 if a.trailing_zeros() >= up.unsigned_abs() => Some(a >> -up),
                _ if a == 0 => Some(0),
                _ => None,
            };
            let told = format!("{a} * 2^{}", -t);
            let wide = bits(a.unsigned_abs()).saturating_add_signed(up);
            match exact {
                Some(value) if value.unsigned_abs() <= most.unsigned_abs() => value,
                None if up < 0 => {
                    let cause = format!("is {told}, which is finer than 2^{}", -shift);
                    let powers = up.unsigned_abs() - a.trailing_zeros();
                    return Err(Beyond { place, cause, powers });
                }
                _ => return larger(place, &told, wide - bits(most.unsigned_abs())),
            }
        }
        ParameterKind::Bias => {
            let b = dense.bias[*index];
            let value = b + half(shifts(dense).get(*index).copied().unwrap_or(0));
            if value.unsigned_abs() > most.unsigned_abs() {
                let powers = bits(value.unsigned_abs()) - bits(most.unsigned_abs());
                return larger(place, &b.to_string(), powers);
            }
            value
        }
        ParameterKind::Shift => {
            let s = shifts(dense)[*index];
            let beyond = i64::from(s) - i64::from(*shift);
            if !(0..=*most).contains(&beyond) {
                let most = i64::from(*shift) + most;
                let cause = format!("is shifted by {s}, and its register holds {shift} to {most}");
                let powers = (-beyond).max(beyond - (most - i64::from(*shift))) as u32;
                return Err(Beyond { place, cause, powers });
            }
            beyond
        }
    };
    Ok(if *negate { -value } else { value })
}

/// Rows without a register are 0 where an output would read them.
fn absent(table: &Table, layers: &BTreeMap<String, Dense>) -> Result<()> {
    let of = |kind| {
        let own = table.parameters.iter().filter(move |parameter| parameter.kind == kind);
        own.map(|parameter| (parameter.layer.as_str(), parameter.index)).collect::<BTreeSet<_>>()
    };
    let (rows, outputs) = (of(ParameterKind::Coefficient), of(ParameterKind::Bias));
    for (name, dense) in layers {
        let read = |row: usize| {
            let mut outputs = outputs.iter().filter(|(layer, _)| layer == name);
            outputs.any(|(_, output)| dense.w_c[[*output, row]] != 0)
        };
        for (row, a) in dense.coefficients.iter().enumerate() {
            let has_inputs = dense.w_b.row(row).iter().any(|w| *w != 0);
            if *a != 0 && has_inputs && read(row) && !rows.contains(&(name.as_str(), row)) {
                let cause = "is not 0, as it was in the model of the build: it has no register";
                return Err(Error::input(format_args!("layer `{name}`, coefficient {row}"), cause)
                    .help("write a build of this model"));
            }
        }
    }
    Ok(())
}

/// The first output that is shifted otherwise, without a register for that.
fn moved(
    table: &Table,
    own: &BTreeMap<String, Dense>,
    new: &BTreeMap<String, Dense>,
) -> Option<Beyond> {
    let of = |kind, layer: &str, index| {
        let is = |p: &&Parameter| p.kind == kind && p.layer == layer && p.index == index;
        table.parameters.iter().any(|parameter| is(&parameter))
    };
    own.iter().zip(new.values()).find_map(|((layer, own), new)| {
        let (own, new) = (shifts(own), shifts(new));
        let index = (0..own.len()).find(|&c| {
            // What has no bias, nobody reads.
            own[c] != new[c]
                && of(ParameterKind::Bias, layer, c)
                && !of(ParameterKind::Shift, layer, c)
        })?;
        Some(Beyond {
            place: format!("layer `{layer}`, output {index}"),
            cause: format!("is shifted by {}, and in the build by {}", new[index], own[index]),
            powers: own[index].abs_diff(new[index]),
        })
    })
}

/// What each output is shifted by; nothing where none is.
fn shifts(dense: &Dense) -> &[i32] {
    match &dense.output {
        Output::Requantised { shifts, .. } => shifts.as_slice().unwrap_or_default(),
        Output::Raw => &[],
    }
}

/// The sum-product networks of a model by the names of their layers, at one window.
fn linear(model: &Model) -> BTreeMap<String, Dense> {
    fn add(layers: &[Layer], all: &mut BTreeMap<String, Dense>) {
        for layer in layers {
            match layer {
                Layer::Dense(dense) => _ = all.insert(dense.name.clone(), dense.clone()),
                Layer::Conv2d(conv) => {
                    all.insert(conv.name.clone(), lower::over_a_window(conv));
                }
                Layer::Branches(branches) => {
                    add(&branches.body, all);
                    add(&branches.shortcut, all);
                }
                Layer::Head(head) => add(&head.layers, all),
                _ => {}
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&model.layers, &mut all);
    all
}

/// A layer without what can be loaded.
fn without(mut dense: Dense) -> Dense {
    dense.coefficients.fill(0);
    dense.coefficient_shifts.fill(0);
    dense.bias.fill(0);
    unshifted(&mut dense.output);
    dense
}

fn unshifted(output: &mut Output) {
    if let Output::Requantised { shifts, .. } = output {
        shifts.fill(0);
    }
}

/// A model without what can be loaded, and without what says where it comes from.
fn bare(model: &Model) -> Model {
    fn strip(layers: &mut [Layer]) {
        for layer in layers {
            match layer {
                Layer::Dense(dense) => {
                    dense.coefficients.fill(0);
                    dense.coefficient_shifts.fill(0);
                    dense.bias.fill(0);
                    unshifted(&mut dense.output);
                }
                Layer::Conv2d(conv) => {
                    conv.coefficients.fill(0);
                    conv.coefficient_shifts.fill(0);
                    conv.bias.fill(0);
                    unshifted(&mut conv.output);
                }
                Layer::Branches(branches) => {
                    strip(&mut branches.body);
                    strip(&mut branches.shortcut);
                }
                Layer::Head(head) => strip(&mut head.layers),
                _ => {}
            }
        }
    }
    let mut bare = Model { name: String::new(), provenance: Default::default(), ..model.clone() };
    strip(&mut bare.layers);
    bare
}
