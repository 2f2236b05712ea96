//! Whether a compile may begin: one that takes long is announced, one beyond hours or memory
//! refused.

use super::output;
use std::path::Path;
use strassenc::build::Options;
use strassenc::estimate::{Estimate, LayerEstimate};
use strassenc::report::thousands;
use strassenc_runtime::{Error, Model, Result};

/// Seconds from which on a compile is announced.
const LONG: f64 = 180.0;
/// Seconds from which on it is not begun.
const TOO_LONG: f64 = 4.0 * 3600.0;

/// Says how long the compile of `model` will take where it takes long.
///
/// # Errors
/// Where that is hours, or more memory than there is, unless `anyway`.
pub fn ask(model: &Model, options: &Options, anyway: bool) -> Result<()> {
    let estimate = Estimate::new(model, options)?;
    if let Some(word) = answer(&estimate, options.effort, anyway, available())? {
        output::note(word);
    }
    Ok(())
}

/// What there is to say before the compile, where so many bytes of memory can be had.
fn answer(
    estimate: &Estimate,
    effort: u8,
    anyway: bool,
    available: Option<f64>,
) -> Result<Option<String>> {
    let (seconds, bytes) = (estimate.seconds(effort), estimate.bytes());
    let lacks = available.filter(|available| bytes > *available);
    let Some(longest) = estimate.longest(effort).filter(|_| seconds >= LONG || lacks.is_some())
    else {
        return Ok(None);
    };
    let place = format!("layer `{}`", longest.name);
    let told = format!("{} take about {} and {}", sizes(longest), duration(seconds), memory(bytes));
    let ways = ways(estimate, effort);
    if anyway || seconds < TOO_LONG && lacks.is_none() {
        return Ok(Some(format!("note: {place}: {told}\n  shorter: {ways}")));
    }
    let there = lacks.map(|there| format!("; {} can be had", memory(there))).unwrap_or_default();
    Err(Error::input(place, told + &there)
        .help(format!("{ways}; or begin all the same, with `strassenc verilog --anyway`")))
}

/// What makes it shorter, in words.
fn ways(estimate: &Estimate, effort: u8) -> String {
    let mut ways = vec![];
    if estimate.seconds(0) < 0.8 * estimate.seconds(effort) {
        ways.push(format!("--effort 0 (about {})", duration(estimate.seconds(0))));
    }
    ways.push(if estimate.foldable {
        "--engine folded, which keeps weights in ROM and has no sums to find".into()
    } else {
        "an input of one pixel (shape = [1, 1, N]), whose layers --engine folded keeps in ROM"
            .into()
    });
    ways.push("fewer products (r) or a sparser W_b (threshold)".into());
    ways.join(", ")
}

/// `24 576 × 64 with 1 048 576 nonzeros`, of its matrices.
fn sizes(layer: &LayerEstimate) -> String {
    let nonzeros: usize = layer.sizes.iter().map(|size| size.nonzeros).sum();
    let sizes = layer
        .sizes
        .iter()
        .map(|size| format!("{} × {}", thousands(size.rows), thousands(size.columns)));
    format!(
        "matrices of {} with {} nonzeros",
        sizes.collect::<Vec<_>>().join(" and "),
        thousands(nonzeros)
    )
}

fn duration(seconds: f64) -> String {
    match seconds {
        ..90.0 => format!("{seconds:.0} s"),
        ..5400.0 => format!("{:.0} minutes", seconds / 60.0),
        ..129_600.0 => format!("{:.0} hours", seconds / 3600.0),
        _ => format!("{} days", thousands((seconds / 86_400.0).round() as u64)),
    }
}

fn memory(bytes: f64) -> String {
    match bytes {
        ..1e9 => format!("{:.0} MB", bytes / 1e6),
        _ => format!("{:.1} GB", bytes / 1e9),
    }
}

/// Memory that can be had, where the system tells.
fn available() -> Option<f64> {
    let text = std::fs::read_to_string(Path::new("/proc/meminfo")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024.0 * kib)
}

#[cfg(test)]
mod tests {
    use super::*;
    use strassenc::estimate::Size;

    fn estimate(rows: usize, columns: usize) -> Estimate {
        let sizes = vec![Size { rows, columns, nonzeros: rows * columns / 2 }];
        Estimate { layers: vec![LayerEstimate { name: "dense_0".into(), sizes }], foldable: false }
    }

    #[test]
    fn a_short_compile_begins_without_a_word() {
        assert_eq!(answer(&estimate(64, 784), 1, false, Some(1e9)), Ok(None));
        assert_eq!(answer(&Estimate::default(), 1, false, Some(0.0)), Ok(None));
    }

    #[test]
    fn a_long_compile_is_announced_with_what_makes_it_shorter() {
        let word = answer(&estimate(64, 100_000), 2, false, None).unwrap().unwrap();
        assert!(
            word.starts_with(
                "note: layer `dense_0`: matrices of 64 × 100 000 with 3 200 000 nonzeros"
            ),
            "{word}"
        );
        assert!(word.contains("--effort 0 (about "), "{word}");
    }

    #[test]
    fn what_takes_days_or_more_memory_than_there_is_is_refused_unless_asked_for_anyway() {
        for (large, available) in [(estimate(3000, 200_000), None), (estimate(64, 784), Some(1e6))]
        {
            let refused = answer(&large, 0, false, available).unwrap_err();
            assert!(refused.to_string().contains("--anyway"), "{refused}");
            assert!(answer(&large, 0, true, available).unwrap().is_some());
        }
    }

    #[test]
    fn durations_are_told_in_the_unit_that_suits_them() {
        let told = [59.6, 600.0, 7200.0, 864_000_000.0].map(duration);
        assert_eq!(told, ["60 s", "10 minutes", "2 hours", "10 000 days"]);
    }
}
