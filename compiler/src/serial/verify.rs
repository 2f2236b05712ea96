use super::{Form, Node, NodeId, Op, Serial};
use crate::circuit::{self, Circuit};
use std::collections::BTreeMap;
use strassenc_runtime::{Error, Result};

/// Checks the invariants that the [module](super) states: that each node is the circuit's, in the
/// clock, in the digits and with the carry that it says. Shares nothing with what builds it.
///
/// # Errors
/// The first violation, with its layer and node: a bug of ours.
pub fn verify(circuit: &Circuit, serial: &Serial) -> Result<()> {
    let place = || format!("digits of layer `{}`", circuit.name);
    if serial.interval == 0 {
        return Err(Error::internal(place(), "words come every 0 clocks"));
    }
    for (i, node) in serial.nodes.iter().enumerate() {
        let Some(of) = circuit.nodes.get(node.of.index()) else {
            return Err(Error::internal(place(), format_args!("node {i} stands for none")));
        };
        Checked { circuit, serial, i, node }.check().map_err(|cause| {
            Error::internal(format_args!("{}, node {i}, of `{}`", place(), of.name), cause)
        })?;
    }
    shared(circuit, serial).map_err(|cause| Error::internal(place(), cause))?;
    if serial.outputs.len() != circuit.outputs.len() {
        return Err(Error::internal(place(), "has another number of outputs"));
    }
    for (id, &of) in serial.outputs.iter().zip(&circuit.outputs) {
        let leaves = serial.nodes.get(id.index()).is_some_and(|node| {
            let constant = matches!(circuit.node(of).op, circuit::Op::Constant(_));
            node.of == of
                && (constant || node.begins == serial.latency)
                && node.form == Form::Parallel(circuit.node(of).interval.bits())
        });
        if !leaves {
            let cause = format!("output `{}` is not there when it leaves", circuit.node(of).name);
            return Err(Error::internal(place(), cause));
        }
    }
    Ok(())
}

/// Checks that the rows of a multiplier take turns, one a clock and all within an interval, and
/// that it can multiply them all: by coefficients that have a common scale.
fn shared(circuit: &Circuit, serial: &Serial) -> Checks {
    let mut rows: BTreeMap<u32, Vec<&Node>> = BTreeMap::new();
    for node in &serial.nodes {
        if let Op::Multiply { multiplier, .. } = node.op {
            rows.entry(multiplier).or_default().push(node);
        }
    }
    for (number, mut rows) in rows {
        rows.sort_by_key(|node| node.begins);
        ensure(rows.len() <= serial.interval as usize, || {
            format!("multiplier {number} has {} rows in {} clocks", rows.len(), serial.interval)
        })?;
        // What all rows have alike: the digits, and whether the upper one is signed.
        let mut alike = None;
        let mut scales = vec![];
        for (turn, node) in (0..).zip(&rows) {
            let Op::Multiply { x, digits, .. } = node.op else { continue };
            let circuit::Op::Multiply { coefficient, shift, .. } = circuit.node(node.of).op else {
                return Err("multiplies where the circuit does not".into());
            };
            let x = serial.node(x);
            let own = (digits, x.form, circuit.node(x.of).signed);
            ensure(*alike.get_or_insert(own) == own, || {
                format!("the words of multiplier {number} are not alike")
            })?;
            ensure(node.begins == rows[0].begins + turn, || {
                format!("row {turn} of multiplier {number} is not in turn")
            })?;
            scales.push((shift, coefficient));
        }
        let last = scales.iter().map(|(shift, _)| *shift).max().unwrap_or(0);
        let scaled = |&(shift, coefficient): &(i32, i64)| {
            let scale = 1i64.checked_shl(last.abs_diff(shift)).filter(|scale| *scale > 0);
            scale.and_then(|scale| coefficient.checked_mul(scale)).is_some()
        };
        ensure(scales.iter().all(scaled), || {
            format!("the coefficients of multiplier {number} have no common scale")
        })?;
    }
    Ok(())
}

/// A node at its place.
struct Checked<'a> {
    circuit: &'a Circuit,
    serial: &'a Serial,
    i: usize,
    node: &'a Node,
}

type Checks<T = ()> = std::result::Result<T, String>;

fn ensure(holds: bool, cause: impl FnOnce() -> String) -> Checks {
    if holds { Ok(()) } else { Err(cause()) }
}

impl Checked<'_> {
    /// A node that is read: it comes earlier.
    fn read(&self, x: NodeId) -> Checks<&Node> {
        let node = self.serial.nodes.get(x.index()).filter(|_| x.index() < self.i);
        node.ok_or_else(|| format!("reads node {}, which does not come before it", x.0))
    }

    fn of(&self, node: &Node) -> &circuit::Node {
        self.circuit.node(node.of)
    }

    /// Bits that hold every value of the circuit's node.
    fn whole(&self, node: &Node) -> u32 {
        self.of(node).interval.bits()
    }

    /// A node that is read in parallel, and the clock in which that is.
    fn parallel(&self, x: NodeId, clock: Option<u32>) -> Checks<(&Node, u32)> {
        let x = self.read(x)?;
        let Form::Parallel(bits) = x.form else { return Err("reads digits at once".into()) };
        let constant = matches!(self.of(x).op, circuit::Op::Constant(_));
        ensure(constant || Some(x.begins) == clock, || {
            format!("reads in clock {clock:?} what is there in clock {}", x.begins)
        })?;
        ensure(x.shift == 0, || "reads what is shifted".into())?;
        Ok((x, bits))
    }

    /// A node whose digits of `digit` bits are read from clock `clock` on.
    fn digits(&self, x: NodeId, digit: u32, clock: Option<u32>) -> Checks<&Node> {
        let x = self.read(x)?;
        ensure(x.form == Form::Serial(digit), || format!("reads {:?} as digits", x.form))?;
        ensure(Some(x.begins) == clock, || {
            format!("reads from clock {clock:?} digits that begin in clock {}", x.begins)
        })?;
        Ok(x)
    }

    fn check(&self) -> Checks {
        let Node { of, shift, begins, form, op } = *self.node;
        let own = self.of(self.node);
        ensure(!own.inverted && !self.circuit.is_loaded(&own.op), || {
            "is held as its complement, or loaded".into()
        })?;
        ensure(form.bits() > 0, || "has no bits".into())?;
        let same = |x: &Node| ensure(x.of == of, || "stands for another node than it reads".into());
        if matches!(form, Form::Parallel(_)) {
            ensure(shift == 0, || "is shifted at once".into())?;
            ensure(begins <= self.serial.latency, || "comes after the outputs".into())?;
        }
        match (op, form) {
            (Op::Parallel(x), Form::Parallel(bits)) => self.computed(x, bits),
            (Op::Digits { x, holds }, Form::Serial(_)) => {
                // One register holds the word, one the digit.
                let (x, bits) = self.parallel(x, Some(holds))?;
                same(x)?;
                ensure(shift == 0, || "is shifted".into())?;
                ensure(holds + 2 <= begins, || format!("holds the word of clock {holds}"))?;
                ensure(bits >= self.whole(x), || format!("{bits} bits lack the sign"))?;
                // The next word may be held an interval later. A digit is chosen in the clock
                // before it is shown: those of the word, and the first one that is all sign.
                let digits = if own.signed {
                    (bits - 1).div_ceil(form.bits()) + 1
                } else {
                    bits.div_ceil(form.bits())
                };
                let last = begins - 2 + digits.min(self.serial.interval);
                ensure(last <= holds + self.serial.interval, || {
                    format!("chooses digits in clock {last} of a word of clock {holds}")
                })
            }
            (Op::Constant, Form::Serial(_)) => {
                let constant = matches!(own.op, circuit::Op::Constant(_));
                ensure(constant && begins > 1, || "is no constant".into())
            }
            (Op::Add { terms, negates, restarts }, Form::Serial(digit)) => {
                let circuit::Op::Add(due) = own.op else { return Err("is no sum".into()) };
                ensure(shift == 0, || "is shifted".into())?;
                ensure((terms.len(), negates.len()) == (due.len(), due.len()), || {
                    "has another number of terms than in the circuit".into()
                })?;
                for (&x, due) in terms.iter().zip(due.iter()) {
                    let x = self.digits(x, digit, begins.checked_sub(1))?;
                    ensure((x.of, x.shift) == (due.node, due.shift), || {
                        "adds other terms than the circuit".into()
                    })?;
                }
                let signs = negates.iter().zip(due.iter()).all(|(has, due)| *has == due.negate);
                ensure(!due[0].negate && signs, || "has another sign than in the circuit".into())?;
                ensure(restarts + 2 == begins, || {
                    format!("its carry is set by the strobe of clock {restarts}")
                })
            }
            (Op::Shift { x, clears }, Form::Serial(digit)) => {
                let later = begins.checked_sub(1).map(|clock| clock + shift / digit);
                let x = self.digits(x, digit, later)?;
                same(x)?;
                ensure(x.shift == 0 && shift > 0, || "shifts what is shifted".into())?;
                ensure(clears + 1 == begins, || format!("is cleared from clock {clears} on"))
            }
            (Op::Delay(x), _) => {
                let x = self.read(x)?;
                same(x)?;
                ensure((x.form, x.shift) == (form, shift), || "delays something else".into())?;
                ensure(x.begins + 1 == begins, || {
                    format!("delays by a clock what begins in clock {}", x.begins)
                })
            }
            (Op::Multiply { x, digits, .. }, Form::Parallel(_)) => {
                let Form::Serial(digit) = self.read(x)?.form else {
                    return Err("multiplies what is no digits".into());
                };
                let takes = self.serial.multiplier_latency + digits.saturating_sub(1);
                let x = self.digits(x, digit, begins.checked_sub(takes))?;
                let circuit::Op::Multiply { x: due, .. } = own.op else {
                    return Err("multiplies what the circuit does not".into());
                };
                ensure(x.of == due && x.shift == 0, || "multiplies another node".into())?;
                ensure((1..=self.serial.interval).contains(&digits), || {
                    format!("multiplies {digits} digits in {} clocks", self.serial.interval)
                })?;
                let all = u64::from(digit) * u64::from(digits);
                ensure(all >= u64::from(self.whole(x)), || format!("{all} bits lack the sign"))
            }
            (Op::Gather { x, digits }, Form::Parallel(bits)) => {
                let Form::Serial(digit) = self.read(x)?.form else {
                    return Err("gathers what is no digits".into());
                };
                ensure((1..=self.serial.interval).contains(&digits), || {
                    format!("gathers {digits} digits in {} clocks", self.serial.interval)
                })?;
                let x = self.digits(x, digit, begins.checked_sub(digits - 1))?;
                same(x)?;
                ensure(x.shift == 0, || "gathers what is shifted".into())?;
                ensure(u64::from(bits) <= u64::from(digit) * u64::from(digits), || {
                    format!("{digits} digits of {digit} bits have not {bits} bits")
                })
            }
            _ => Err(format!("{op:?} is not {form:?}")),
        }
    }

    /// A parallel node that computes what the circuit's does, of so many bits.
    fn computed(&self, x: Option<NodeId>, bits: u32) -> Checks {
        let own = self.of(self.node);
        let begins = self.node.begins;
        let takes = match own.op {
            circuit::Op::Input(_) => {
                let format = self.circuit.input_format.bits;
                return ensure(x.is_none() && begins == 0 && bits <= format, || {
                    "is no input of its word".into()
                });
            }
            circuit::Op::Constant(_) => {
                return ensure(x.is_none(), || "is a constant that reads".into());
            }
            circuit::Op::Add(_) => return Err("adds at once".into()),
            circuit::Op::Product { .. } => return Err("multiplies data by data".into()),
            circuit::Op::Shift { .. } => return Err("is shifted by what is loaded".into()),
            circuit::Op::Multiply { .. } => return Err("is multiplied at once".into()),
            circuit::Op::Scale { .. } | circuit::Op::Clamp { .. } => 0,
            // Where anything is added, a register stands behind the addition.
            circuit::Op::Offset { x, constant, .. } => u32::from(x.negate || constant != 0),
        };
        let Some(x) = x else { return Err("reads nothing".into()) };
        let (x, has) = self.parallel(x, begins.checked_sub(takes))?;
        ensure(own.op.operands().eq([x.of]), || "reads another node than in the circuit".into())?;
        // The value itself, or as many of its low bits as decide these.
        let whole = has >= self.whole(x);
        let low = match own.op {
            circuit::Op::Offset { x, shift, .. } | circuit::Op::Scale { x, shift, .. } => {
                i64::from(has) + i64::from(x.shift) >= i64::from(bits) + i64::from(shift)
            }
            _ => false,
        };
        ensure(whole || low, || format!("reads {has} bits of a wider value"))
    }
}
