//! Pipelines that the compiler makes itself.

use super::{Around, Ends, Part, State};

/// The pipeline of an unrolled layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// Clocks from input to output.
    pub stages: u32,
}

impl Part for Kernel {
    fn modules(&self) -> &'static [&'static str] {
        &[]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        vec![[ends.x().words, ends.z().words]]
    }

    fn banner(&self, _: &Ends) -> String {
        format!("The SPN of a window, latency {}", self.stages)
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Stages(vec![false; self.stages as usize]))
    }
}

/// Stages of their own valid bits, in which bubbles collapse; bit 0 is the first.
struct Stages(Vec<bool>);

impl State for Stages {
    fn valid(&self, _: &Around) -> [bool; 2] {
        [self.0[self.0.len() - 1], false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.m[0].ready || self.0.contains(&false), false]
    }

    fn step(&mut self, around: &Around) -> bool {
        let (bits, accept) = (&mut self.0, around.accept());
        // All up to the last bubble move; all of them where the last one leaves.
        let moves =
            if around.m[0].ready { Some(bits.len() - 1) } else { bits.iter().rposition(|v| !v) };
        let Some(end) = moves else { return false };
        let changed = accept || bits[..=end].contains(&true);
        bits[..=end].rotate_right(1);
        bits[0] = accept;
        changed
    }
}
