//! A self-checking testbench for any simulator, with golden's answers, and a script that runs it.

use super::File;
use super::provenance::Provenance;
use super::signature::{Frames, Head, Input, Signature, Stream};
use askama::Template;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc_runtime::{Error, Format, Model, Result, golden};

/// Random vectors beside the corners.
const RANDOM: usize = 26;

/// Inputs of a sequence.
const SEQUENCE: usize = 20;

/// Input elements of all vectors, at most.
const ELEMENTS: usize = 1 << 18;

/// What enters and what has to leave, vector by vector.
pub(super) struct Vectors {
    pub inputs: Vec<Vec<i64>>,
    pub outputs: Vec<Vec<i64>>,
}

impl Vectors {
    /// Corners and random vectors for a model, with golden's answers, or what is decided on them.
    ///
    /// # Errors
    /// Where golden refuses a vector: a bug of ours.
    pub fn of_model(model: &Model, signature: &Signature) -> Result<Self> {
        // Those of all inputs side by side.
        let mut inputs: Vec<Vec<i64>> = vec![];
        for ((_, edge), seed) in model.inputs().into_iter().zip(0..) {
            let (n, format) = (edge.elements(), edge.format);
            let own = corners(n, format).into_iter().chain(random(n, format, RANDOM, seed));
            let own: Vec<_> = own.collect();
            inputs.resize(own.len(), vec![]);
            inputs.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
        }
        inputs.truncate(most(model.elements()));
        let mut state = golden::State::start();
        let outputs = (inputs.iter().enumerate())
            .map(|(i, v)| {
                if i % starts_every(signature) == 0 {
                    state = golden::State::start();
                }
                // A trace has an edge at least.
                let golden = golden::step(model, &mut state, v)?.pop().unwrap_or_default();
                Ok(signature.due(&golden))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Vectors { inputs, outputs })
    }
}

/// How many vectors of so many elements a testbench has at most.
pub(super) fn most(elements: usize) -> usize {
    (ELEMENTS / elements).max(1)
}

/// Of how many vectors one is a start.
pub(crate) fn starts_every(signature: &Signature) -> usize {
    // A core without a state is told of starts often.
    if signature.recurrent { SEQUENCE } else { 3 }
}

/// The testbench of a core, its files of beats and its script.
///
/// # Errors
/// Where the template fails: a bug of ours.
pub(super) fn emit(
    vectors: &Vectors,
    signature: &Signature,
    clken: bool,
    provenance: &Provenance,
) -> Result<Vec<File>> {
    let module = &signature.testbench;
    let files = Files::of(module);
    let template = Testbench {
        header: provenance.header(module, "a self-checking testbench"),
        module,
        top: &signature.top,
        s: signature,
        clken,
        by_count: signature.frames == Frames::Count,
        vectors: vectors.inputs.len(),
        every: starts_every(signature),
        input_file: &files.input,
        output_file: &files.output,
        inputs: signature.inputs.iter().map(|input| Given::of(module, input)).collect(),
        heads: signature.heads.iter().map(|head| Answers::of(module, head)).collect(),
        widest: (signature.inputs().chain(signature.outputs()))
            .map(|(_, stream)| stream.data_bits())
            .max()
            .unwrap_or(0),
    };
    let mut given = of_each(signature.inputs(), &vectors.inputs);
    let mut answers = of_each(signature.outputs(), &vectors.outputs);
    let first = [given.remove(0), answers.remove(0)];
    let mut all = files.with(&template, first, provenance)?;
    let names = template.inputs.iter().map(|input| &input.file);
    let names = names.chain(template.heads.iter().map(|head| &head.file));
    let texts = given.into_iter().chain(answers);
    all.extend(names.zip(texts).map(|(path, text)| File { path: path.clone(), text }));
    Ok(all)
}

/// The beats of each stream, at least one, whose vectors are side by side.
fn of_each<'a>(
    streams: impl Iterator<Item = (&'a str, &'a Stream)>,
    vectors: &[Vec<i64>],
) -> Vec<String> {
    let mut first = 0;
    let of_one = |(_, stream): (&str, &Stream)| {
        let own = |vector: &Vec<i64>| vector[first..first + stream.elements].to_vec();
        let text = beats(stream, &vectors.iter().map(own).collect::<Vec<_>>());
        first += stream.elements;
        text
    };
    streams.map(of_one).collect()
}

/// The names of what belongs to a testbench.
pub(super) struct Files<'a> {
    module: &'a str,
    pub input: String,
    pub output: String,
}

impl<'a> Files<'a> {
    pub fn of(module: &'a str) -> Self {
        let file = |side: &str| format!("{module}_{side}.mem");
        Files { module, input: file("input"), output: file("output") }
    }

    /// The files: the testbench, its vectors and its script.
    ///
    /// # Errors
    /// Where a template fails: a bug of ours.
    pub fn with(
        &self,
        testbench: &impl Template,
        [inputs, outputs]: [String; 2],
        provenance: &Provenance,
    ) -> Result<Vec<File>> {
        let module = self.module;
        let fail = |e| Error::internal("template of the testbench", e);
        let text = testbench.render().map_err(fail)? + "\n";
        let header = provenance.header(module, "compiles and runs the testbench");
        let script = Script { header: header.replace("// ", "# "), module };
        let script = script.render().map_err(fail)? + "\n";
        Ok(vec![
            File { path: format!("{module}.v"), text },
            File { path: self.input.clone(), text: inputs },
            File { path: self.output.clone(), text: outputs },
            File { path: format!("{module}.sh"), text: script },
        ])
    }
}

#[derive(Template)]
#[template(path = "testbench.v")]
struct Testbench<'a> {
    header: String,
    module: &'a str,
    top: &'a str,
    s: &'a Signature,
    clken: bool,
    by_count: bool,
    vectors: usize,
    every: usize,
    input_file: &'a str,
    output_file: &'a str,
    inputs: Vec<Given<'a>>,
    heads: Vec<Answers<'a>>,
    /// Bits of the widest beat.
    widest: usize,
}

/// What enters a further input.
struct Given<'a> {
    /// What its ports begin with.
    port: &'a str,
    s: &'a Stream,
    file: String,
}

impl<'a> Given<'a> {
    fn of(module: &str, input: &'a Input) -> Self {
        let Input { port, stream: s, .. } = input;
        Given { port, s, file: of_input(module, input) }
    }

    /// Beats of two wrong frames: one has a beat too many, and the other has one beat, or two where
    /// a whole one has one.
    fn wrong_beats(&self) -> usize {
        self.s.beats + 1 + if self.s.beats > 1 { 1 } else { 2 }
    }
}

/// What has to come out of a head.
struct Answers<'a> {
    /// What its ports begin with.
    port: &'a str,
    s: &'a Stream,
    latency: i64,
    file: String,
}

impl<'a> Answers<'a> {
    fn of(module: &str, head: &'a Head) -> Self {
        let Head { port, stream: s, latency, .. } = head;
        Answers { port, s, latency: *latency, file: of_head(module, head) }
    }
}

/// The file with the vectors of a further input.
pub(super) fn of_input(testbench: &str, input: &Input) -> String {
    format!("{testbench}_input_{}.mem", input.name)
}

/// The file with the answers of a head.
pub(super) fn of_head(testbench: &str, head: &Head) -> String {
    format!("{testbench}_output_{}.mem", head.name)
}

#[derive(Template)]
#[template(path = "testbench.sh")]
struct Script<'a> {
    header: String,
    module: &'a str,
}

/// Corners of `n` elements: all least, all greatest, zeros, both ends in turn, the first and the
/// last element alone at an end.
pub(super) fn corners(n: usize, format: Format) -> Vec<Vec<i64>> {
    let (lo, hi) = (format.min(), format.max());
    let alternating = |a: i64, b: i64| (0..n).map(|i| if i % 2 == 0 { a } else { b }).collect();
    let alone = |i: usize, v: i64| {
        let mut x = vec![0; n];
        x[i] = v;
        x
    };
    vec![
        vec![lo; n],
        vec![hi; n],
        vec![0; n],
        alternating(lo, hi),
        alternating(hi, lo),
        alone(0, hi),
        alone(n - 1, lo),
        alone(n - 1, hi),
    ]
}

/// So many random vectors of `n` elements, every other one of both ends only.
pub(super) fn random(n: usize, format: Format, vectors: usize, seed: u64) -> Vec<Vec<i64>> {
    let (lo, hi) = (format.min(), format.max());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vector = |k: usize| {
        let ends = k.is_multiple_of(2);
        let element = |_| match (ends, rng.random_bool(0.5)) {
            (true, false) => lo,
            (true, true) => hi,
            (false, _) => rng.random_range(lo..=hi),
        };
        (0..n).map(element).collect()
    };
    (0..vectors).map(vector).collect()
}

/// One beat per line, as `$readmemh` reads it: the last lane first.
fn beats(stream: &Stream, vectors: &[Vec<i64>]) -> String {
    let digits = 2 * stream.element_bytes;
    // An element has at most 8 bytes.
    let mask = u64::MAX >> (64 - 8 * stream.element_bytes);
    let mut text = String::new();
    for vector in vectors {
        for beat in 0..stream.beats {
            for lane in (0..stream.beat_elements).rev() {
                let v = vector.get(beat * stream.beat_elements + lane).copied().unwrap_or(0);
                text += &format!("{:0digits$x}", v as u64 & mask);
            }
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::signature::{Beat, Vector};
    use super::*;

    #[test]
    fn beats_have_element_0_in_the_low_digits() {
        let stream = |bits, beat| {
            let format = Format { signed: true, bits, frac: 0 };
            Stream::new(Vector { elements: 3, format }, beat).unwrap()
        };
        let v = vec![vec![1, -2, 3]];
        assert_eq!(beats(&stream(5, Beat::Any), &v), "03fe01\n");
        assert_eq!(beats(&stream(9, Beat::Any), &v), "0003fffe0001\n");
        assert_eq!(beats(&stream(5, Beat::Elements(2)), &v), "fe01\n0003\n");
        assert_eq!(
            beats(&stream(54, Beat::Elements(1)), &v),
            "00000000000001\nfffffffffffffe\n00000000000003\n"
        );
        assert_eq!(beats(&stream(9, Beat::Bits(32)), &v), "fffe0001\n00000003\n");
    }
}
