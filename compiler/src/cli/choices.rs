//! Options that change what a description leaves open.

use strassenc_runtime::{Network, Result};

/// What linear layers take that do not say otherwise
#[derive(clap::Args)]
pub struct Choices {
    /// r over the output channels or units, for layers without an r of their own, instead of the description's `spn.ratio`
    #[arg(long, value_name = "R/C_OUT")]
    ratio: Option<f64>,
    /// Output patches of P×P pixels, for convolutions without a p of their own, instead of `spn.p`
    #[arg(long, value_name = "P")]
    p: Option<usize>,
    /// Groups, for convolutions without groups of their own, instead of `spn.groups`
    #[arg(long, value_name = "G")]
    groups: Option<usize>,
}

impl Choices {
    /// Changes the network.
    ///
    /// # Errors
    /// Where the changed network is impossible.
    pub fn apply(&self, network: &mut Network) -> Result<()> {
        let spn = &mut network.spn;
        spn.ratio = self.ratio.unwrap_or(spn.ratio);
        spn.p = self.p.unwrap_or(spn.p);
        spn.groups = self.groups.unwrap_or(spn.groups);
        network.validate()
    }

    /// The option that was given, if any.
    pub fn given(&self) -> Option<&'static str> {
        let given = [(self.ratio.is_some(), "--ratio"), (self.p.is_some(), "--p"), (self.groups.is_some(), "--groups")];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }
}
