//! What can be reached from some nodes of an acyclic graph, without a look at the others: what
//! keeps the work on wide layers from growing with inputs times additions.

/// Who reads each node.
pub struct Readers {
    /// The place in the list where the readers of each node begin; one more entry than nodes.
    starts: Vec<u32>,
    list: Vec<u32>,
}

impl Readers {
    /// The readers in a graph of so many nodes, where `reads(i)` are those that node i reads, all
    /// of them before it.
    pub fn new<I: Iterator<Item = usize>>(nodes: usize, reads: impl Fn(usize) -> I) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for read in (0..nodes).flat_map(&reads) {
            starts[read + 1] += 1;
        }
        for i in 0..nodes {
            starts[i + 1] += starts[i];
        }
        let mut list = vec![0; starts[nodes] as usize];
        let mut next = starts.clone();
        for reader in 0..nodes {
            for read in reads(reader) {
                list[next[read] as usize] = reader as u32;
                next[read] += 1;
            }
        }
        Readers { starts, list }
    }

    /// The readers of a node, in order; a node that reads it twice is there twice.
    fn of(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.list[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

/// The nodes that were reached last.
pub struct Reached {
    nodes: Vec<u32>,
    /// Scratch of [`Reached::follow`]: false between calls.
    seen: Vec<bool>,
}

impl Reached {
    /// Nothing, of a graph of so many nodes.
    pub fn new(nodes: usize) -> Self {
        Reached { nodes: vec![], seen: vec![false; nodes] }
    }

    /// The nodes that are reached, in order.
    pub fn nodes(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.nodes.iter().map(|&node| node as usize)
    }

    /// Reaches every node.
    pub fn everything(&mut self) {
        self.nodes.clear();
        self.nodes.extend(0..self.seen.len() as u32);
    }

    /// Reaches `starts`, and all that reads them, directly or not, by way of nodes that `pass`.
    pub fn follow(
        &mut self,
        readers: &Readers,
        starts: impl Iterator<Item = usize>,
        passes: impl Fn(usize) -> bool,
    ) {
        let Reached { nodes, seen } = self;
        let mut reach = |nodes: &mut Vec<u32>, node: u32| {
            if !std::mem::replace(&mut seen[node as usize], true) {
                nodes.push(node);
            }
        };
        nodes.clear();
        starts.for_each(|start| reach(nodes, start as u32));
        let mut at = 0;
        while let Some(&node) = nodes.get(at) {
            for &reader in readers.of(node) {
                if passes(reader as usize) {
                    reach(nodes, reader);
                }
            }
            at += 1;
        }
        nodes.iter().for_each(|&node| seen[node as usize] = false);
        nodes.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0 and 1 are read by 2, 2 and 1 by 3, 3 by 4 and 5.
    #[test]
    fn what_reads_is_reached_in_order_and_nothing_else() {
        let reads: [&[usize]; 6] = [&[], &[], &[0, 1], &[2, 1], &[3, 3], &[3]];
        let readers = Readers::new(6, |i| reads[i].iter().copied());
        let mut reached = Reached::new(6);
        let mut from = |starts: &[usize], stop: usize| {
            reached.follow(&readers, starts.iter().copied(), |node| node != stop);
            reached.nodes().collect::<Vec<_>>()
        };
        assert_eq!(from(&[1, 0, 1], 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(from(&[2], 5), [2, 3, 4]);
        assert_eq!(from(&[0], 3), [0, 2]);
        assert_eq!(from(&[], 6), [0; 0]);
        reached.everything();
        assert_eq!(reached.nodes().count(), 6);
    }
}
