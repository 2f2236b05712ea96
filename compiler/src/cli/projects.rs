//! The option of commands that write project files.

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser};
use std::collections::BTreeSet;
use strassenc::project::{self, Project};
use strassenc_runtime::{Error, Result};

#[derive(clap::Args)]
pub struct Projects<const OF_KERNELS: bool = false> {
    /// Project files, of these kinds only; none for no kind [default: all that fit the device]
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = words(OF_KERNELS))]
    project: Option<Vec<String>>,
}

/// The kinds of project files, and the word for none of them. Those that a kernel does not have are
/// not shown for one, and refused later, with the reason.
fn words(of_kernels: bool) -> PossibleValuesParser {
    let none = PossibleValue::new(project::NONE).help("No project files");
    let kinds = Project::value_variants().iter().filter_map(|kind| {
        Some(kind.to_possible_value()?.hide(of_kernels && !kind.is_of_kernels()))
    });
    PossibleValuesParser::new(kinds.chain([none]))
}

impl<const OF_KERNELS: bool> Projects<OF_KERNELS> {
    /// The kinds that are named, in order.
    pub fn kinds(&self) -> Option<Vec<Project>> {
        let kind = |name: &String| Project::from_str(name, false).ok();
        let kinds = |named: &Vec<String>| named.iter().filter_map(kind).collect::<BTreeSet<_>>();
        self.project.as_ref().map(|named| kinds(named).into_iter().collect())
    }

    /// Fails where none and some are named.
    pub fn validate(&self) -> Result<()> {
        let mut named = self.project.iter().flatten();
        if named.clone().count() > 1 && named.any(|kind| kind == project::NONE) {
            let cause = "stands beside other kinds";
            return Err(Error::input(format_args!("--project {}", project::NONE), cause)
                .help("give it alone, or the other kinds alone"));
        }
        Ok(())
    }
}
