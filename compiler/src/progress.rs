//! Progress on standard error, in one style: no figure is shown before it means something.

use indicatif::{HumanDuration, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::time::Duration;

/// Time after which the speed so far says something about the rest.
const SETTLED: Duration = Duration::from_secs(3);

/// The style of a template that may have, beside indicatif's own keys, `{steps}`: how many of how
/// many, once that is known; and `{left}`: `, about 3 minutes left`, once the speed tells.
pub fn style(template: &str) -> ProgressStyle {
    // The templates are constants, so that a wrong one shows at the first use; the default is a way
    // out.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("steps", |state: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&steps(state.pos(), state.len()));
        })
        .with_key("left", |state: &ProgressState, to: &mut dyn Write| {
            let _ = to.write_str(&left(state.pos(), state.len(), state.elapsed(), state.eta()));
        })
}

fn steps(done: u64, all: Option<u64>) -> String {
    all.filter(|all| *all > 0).map(|all| format!("{done}/{all}")).unwrap_or_default()
}

fn left(done: u64, all: Option<u64>, elapsed: Duration, left: Duration) -> String {
    let is_known = done > 0
        && all.is_some_and(|all| done < all)
        && elapsed >= SETTLED
        && left >= Duration::from_secs(1);
    if is_known { format!(", about {} left", HumanDuration(left)) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_before_it_is_known() {
        let seconds = Duration::from_secs;
        assert_eq!(steps(0, None), "");
        assert_eq!(steps(0, Some(0)), "");
        assert_eq!(steps(0, Some(3)), "0/3");
        assert_eq!(left(0, Some(0), seconds(9), seconds(0)), "");
        assert_eq!(left(0, Some(9), seconds(9), seconds(0)), "");
        assert_eq!(left(1, None, seconds(9), seconds(9)), "");
        assert_eq!(
            left(1, Some(9), seconds(1), seconds(500)),
            "",
            "the first steps are no measure"
        );
        assert_eq!(left(9, Some(9), seconds(9), seconds(5)), "", "done");
        assert_eq!(left(1, Some(9), seconds(9), seconds(72)), ", about 72 seconds left");
    }
}
