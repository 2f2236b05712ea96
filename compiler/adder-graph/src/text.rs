//! A text form of adder graphs, for tests as files and for reading: one node a line.
//!
//! ```text
//! adder graph of 2 inputs
//! 0: input 0
//! 1: input 1
//! 2: add 0 -1<<3
//! 3: add 0 1 2<<1
//! outputs 2 -3<<1 _
//! ```
//!
//! A term is a node, with its sign and its shift; the output of a zero row is `_`.

use super::{AdderGraph, Node, NodeId, Refusal, Term, Terms};
use std::fmt;
use std::iter;
use std::str::FromStr;

impl fmt::Display for AdderGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "adder graph of {} inputs", self.inputs)?;
        for (i, node) in self.nodes.iter().enumerate() {
            match node {
                Node::Input(column) => writeln!(f, "{i}: input {column}")?,
                Node::Add(terms) => {
                    write!(f, "{i}: add")?;
                    terms.iter().try_for_each(|term| write!(f, " {term}"))?;
                    writeln!(f)?;
                }
            }
        }
        write!(f, "outputs")?;
        for output in &self.outputs {
            match output {
                Some(term) => write!(f, " {term}")?,
                None => write!(f, " _")?,
            }
        }
        writeln!(f)
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negate { "-" } else { "" };
        write!(f, "{sign}{}", self.node.0)?;
        if self.shift > 0 { write!(f, "<<{}", self.shift) } else { Ok(()) }
    }
}

impl AdderGraph {
    /// Reads what [`Display`](fmt::Display) writes, and none of the lines behind it; `None` where
    /// the last line that was taken is not understood, or lines are missing. The graph is not
    /// proved.
    pub fn read(lines: &mut dyn Iterator<Item = &str>) -> Option<Self> {
        let inputs = lines.next()?.strip_prefix("adder graph of ")?.strip_suffix(" inputs")?;
        let (inputs, mut nodes) = (inputs.parse().ok()?, vec![]);
        loop {
            let line = lines.next()?;
            if let Some(outputs) = line.strip_prefix("outputs") {
                let output = |word| if word == "_" { Some(None) } else { term(word).map(Some) };
                let outputs = outputs.split_whitespace().map(output).collect::<Option<_>>()?;
                return Some(AdderGraph { nodes, inputs, outputs });
            }
            let (_, node) = line.split_once(": ").filter(|(i, _)| i.parse() == Ok(nodes.len()))?;
            nodes.push(match node.split_once(' ')? {
                ("input", column) => Node::Input(column.parse().ok()?),
                ("add", terms) => {
                    let terms = terms.split_whitespace().map(term).collect::<Option<Vec<_>>>()?;
                    Node::Add(Terms::new(&terms)?)
                }
                _ => return None,
            });
        }
    }
}

impl FromStr for AdderGraph {
    type Err = Refusal;

    /// Reads what [`Display`](fmt::Display) writes. The graph is not proved.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let mut lines =
            text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let mut last = None;
        let mut next = || {
            last = lines.next();
            last.map(|(_, line)| line)
        };
        let graph = AdderGraph::read(&mut iter::from_fn(&mut next)).filter(|_| next().is_none());
        graph.ok_or_else(|| match last {
            Some((number, line)) => Refusal::new(
                format_args!("line {}", number + 1),
                format_args!("`{line}` is not understood"),
            ),
            None => Refusal::new("text", "ends too early"),
        })
    }
}

fn term(text: &str) -> Option<Term> {
    let (negate, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (node, shift) = match text.split_once("<<") {
        Some((node, shift)) => (node, shift.parse().ok()?),
        None => (text, 0),
    };
    Some(Term { node: NodeId(node.parse().ok()?), shift, negate })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "adder graph of 2 inputs\n0: input 0\n1: input 1\n2: add 0 -1<<3\n\
        3: add 0 1 2<<1\noutputs 2 -3<<1 _\n";

    #[test]
    fn a_graph_is_read_as_it_is_written() {
        let term = |node, shift, negate| Term { node: NodeId(node), shift, negate };
        let sum = Node::Add(Terms::Two([term(0, 0, false), term(1, 3, true)]));
        let three = [term(0, 0, false), term(1, 0, false), term(2, 1, false)];
        let three = Node::Add(Terms::Three(three));
        let nodes = vec![Node::Input(0), Node::Input(1), sum, three];
        let outputs = vec![Some(term(2, 0, false)), Some(term(3, 1, true)), None];
        let graph = AdderGraph { nodes, inputs: 2, outputs };
        assert_eq!(graph.to_string(), TEXT);
        assert_eq!(TEXT.parse(), Ok(graph));
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        let told = |text: &str| text.parse::<AdderGraph>().unwrap_err().to_string();
        let line = "adder graph: line 4: `2: sub 0 -1<<3` is not understood";
        assert_eq!(told(&TEXT.replace("add 0", "sub 0")), line);
        assert_eq!(
            told(&format!("{TEXT}4: add 0 1")),
            "adder graph: line 7: `4: add 0 1` is not understood"
        );
        assert_eq!(
            told(TEXT.split("outputs").next().unwrap()),
            "adder graph: text: ends too early"
        );
    }
}
