//! Options that change what a description leaves open.

use super::numbers;
use strassenc_runtime::network::Spn;
use strassenc_runtime::{Error, Network, Result};

/// What linear layers take that do not say otherwise
#[derive(clap::Args)]
pub struct Choices {
    /// r over the output channels or units, for layers without an r of their own, instead of the
    /// description's `spn.ratio`: 0.5, 1/2
    #[arg(long, value_name = "R/C_OUT", value_parser = numbers::fraction)]
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
    /// Where the changed network is impossible, or none of its layers takes an option that was
    /// given.
    pub fn apply(&self, network: &mut Network) -> Result<()> {
        let spn = &mut network.spn;
        spn.ratio = self.ratio.unwrap_or(spn.ratio);
        spn.p = self.p.unwrap_or(spn.p);
        spn.groups = self.groups.unwrap_or(spn.groups);
        network.validate()?;
        // Two values that every layer which takes the option must tell apart, be it that one is
        // impossible.
        let ratios: [fn(&mut Spn); 2] = [|spn| spn.ratio = 1e-6, |spn| spn.ratio = 64.0];
        let ps: [fn(&mut Spn); 2] = [|spn| spn.p = 1, |spn| spn.p = 2];
        let groups: [fn(&mut Spn); 2] = [|spn| spn.groups = 1, |spn| spn.groups = 2];
        for (given, option, values, takers) in [
            (self.ratio.is_some(), "--ratio", ratios, "linear layers without an r of their own"),
            (self.p.is_some(), "--p", ps, "convolutions without a p of their own"),
            (self.groups.is_some(), "--groups", groups, "convolutions without groups of their own"),
        ] {
            let [one, other] = values.map(|set| {
                let mut network = network.clone();
                set(&mut network.spn);
                network.plan().ok()
            });
            if given && one.is_some() && one == other {
                let cause = format!("is about {takers}, and `{}` has none", network.name);
                return Err(Error::input(option, cause).help(format_args!("leave {option} away")));
            }
        }
        Ok(())
    }

    /// The option that was given, if any.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.ratio.is_some(), "--ratio"),
            (self.p.is_some(), "--p"),
            (self.groups.is_some(), "--groups"),
        ];
        given.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }
}
