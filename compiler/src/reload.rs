//! The table that makes a core whose parameters are loaded at run time another model: one that has
//! the same ternary matrices, formats and shifts of outputs, and other coefficients and biases.

use crate::build::Build;
use crate::emit::control::{Parameter, ParameterKind, Table};
use crate::interval::half;
use crate::lower;
use std::collections::{BTreeMap, BTreeSet};
use strassenc_runtime::model::{Dense, Layer};
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
/// than its coefficients and biases, or one of these is beyond what its register holds.
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
        let cause = "differs from that of the build in more than coefficients and biases";
        return Err(Error::input(place, cause).help(
            "only models with the same ternary matrices, formats and shifts of outputs can be \
             loaded: write a build of this one",
        ));
    }
    absent(table, &new)?;
    let value = |parameter: &Parameter| match new.get(&parameter.layer) {
        Some(dense) => value_of(parameter, dense),
        None => Err(Error::internal(&parameter.layer, "is not a layer of the model")),
    };
    let values = table.parameters.iter().map(value).collect::<Result<Vec<_>>>()?;
    Ok(table.packed(&values))
}

/// The integer that is loaded into a parameter.
fn value_of(parameter: &Parameter, dense: &Dense) -> Result<i64> {
    let Parameter { layer, kind, index, negate, shift, most, .. } = parameter;
    let place = match kind {
        ParameterKind::Coefficient => format!("layer `{layer}`, coefficient {index}"),
        ParameterKind::Bias => format!("layer `{layer}`, bias {index}"),
    };
    let (value, told) = match kind {
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
            match exact {
                Some(value) => (value, told),
                None if up < 0 => {
                    let cause = format!("is {told}, which is finer than 2^{}", -shift);
                    return Err(too_far(place, cause));
                }
                None => (i64::MAX, told),
            }
        }
        ParameterKind::Bias => {
            let b = dense.bias[*index];
            (b + half(*shift), b.to_string())
        }
    };
    if value.unsigned_abs() > most.unsigned_abs() {
        let cause = format!("is {told}, larger than what its register holds");
        return Err(too_far(place, cause));
    }
    Ok(if *negate { -value } else { value })
}

fn too_far(place: String, cause: String) -> Error {
    Error::input(place, cause)
        .help("write the build anew with a larger --reloadable=POWERS, or train once more")
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
                _ => {}
            }
        }
    }
    let mut all = BTreeMap::new();
    add(&model.layers, &mut all);
    all
}

/// A layer without its coefficients and biases.
fn without(mut dense: Dense) -> Dense {
    dense.coefficients.fill(0);
    dense.coefficient_shifts.fill(0);
    dense.bias.fill(0);
    dense
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
                }
                Layer::Conv2d(conv) => {
                    conv.coefficients.fill(0);
                    conv.coefficient_shifts.fill(0);
                    conv.bias.fill(0);
                }
                Layer::Branches(branches) => {
                    strip(&mut branches.body);
                    strip(&mut branches.shortcut);
                }
                _ => {}
            }
        }
    }
    let mut bare = Model { name: String::new(), provenance: Default::default(), ..model.clone() };
    strip(&mut bare.layers);
    bare
}
