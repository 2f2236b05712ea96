//! The engine of a layer as it stands in a file: each engine has keys of its own, and no others.

use super::Choice as Made;
use crate::folded::Folding;
use serde::Deserialize;

/// All keys that an engine can have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choice {
    engine: Engine,
    interval: Option<u32>,
    pe: Option<usize>,
    simd: Option<usize>,
    multipliers: Option<usize>,
    wc_pe: Option<usize>,
    wc_simd: Option<usize>,
    lanes: Option<usize>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Engine {
    Unrolled,
    Serial,
    Folded,
    Elementwise,
}

impl Engine {
    /// The name of the engine in a file, and its keys.
    fn keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Engine::Unrolled => ("unrolled", &[]),
            Engine::Serial => ("serial", &["interval"]),
            Engine::Folded => ("folded", &["pe", "simd", "multipliers", "wc_pe", "wc_simd"]),
            Engine::Elementwise => ("elementwise", &["lanes"]),
        }
    }
}

impl TryFrom<Choice> for Made {
    type Error = String;

    fn try_from(written: Choice) -> Result<Made, String> {
        let Choice { engine, interval, pe, simd, multipliers, wc_pe, wc_simd, lanes } = written;
        let (name, keys) = engine.keys();
        let given = [
            ("interval", interval.map(|interval| interval as usize)),
            ("pe", pe),
            ("simd", simd),
            ("multipliers", multipliers),
            ("wc_pe", wc_pe),
            ("wc_simd", wc_simd),
            ("lanes", lanes),
        ];
        if let Some((key, _)) =
            given.iter().find(|(key, value)| value.is_some() && !keys.contains(key))
        {
            let all = match keys {
                [] => "none of its own".into(),
                keys => format!("`{}`", keys.join("`, `")),
            };
            return Err(format!("the engine `{name}` has no key `{key}`: it has {all}"));
        }
        let needs = |key: &str| format!("the engine `{name}` lacks its key `{key}`");
        let of = |key: &str, value: Option<usize>| value.ok_or_else(|| needs(key));
        Ok(match engine {
            Engine::Unrolled => Made::Unrolled,
            Engine::Serial => Made::Serial { interval: interval.ok_or_else(|| needs("interval"))? },
            Engine::Folded => Made::Folded(Folding {
                pe: of("pe", pe)?,
                simd: of("simd", simd)?,
                multipliers: of("multipliers", multipliers)?,
                wc_pe: of("wc_pe", wc_pe)?,
                wc_simd: of("wc_simd", wc_simd)?,
            }),
            Engine::Elementwise => Made::Elementwise { lanes: of("lanes", lanes)? },
        })
    }
}
