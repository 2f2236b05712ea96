//! A self-checking testbench for any simulator, with golden's answers, and a script that runs it.

use super::File;
use super::provenance::Provenance;
use super::signature::{Frames, Signature, Stream};
use askama::Template;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use strassenc_runtime::{Error, Model, Result, golden};

/// Random vectors beside the corners.
const RANDOM: usize = 26;

/// Inputs of a sequence.
const SEQUENCE: usize = 20;

/// Input elements of all vectors, at most.
const ELEMENTS: usize = 1 << 18;

/// The testbench, its two files of beats and its script.
///
/// # Errors
/// Where golden refuses a vector, or the template fails: a bug of ours.
pub(super) fn emit(
    model: &Model,
    signature: &Signature,
    clken: bool,
    provenance: &Provenance,
) -> Result<Vec<File>> {
    let module = &signature.testbench;
    let mut vectors = vectors(model);
    vectors.truncate((ELEMENTS / model.input.elements()).max(1));
    // A core without a state is told of starts often.
    let every = if signature.recurrent { SEQUENCE } else { 3 };
    let mut state = golden::State::start();
    let outputs = (vectors.iter().enumerate())
        .map(|(i, v)| {
            if i % every == 0 {
                state = golden::State::start();
            }
            // A trace has an edge at least.
            Ok(golden::step(model, &mut state, v)?.pop().unwrap_or_default())
        })
        .collect::<Result<Vec<_>>>()?;
    let (input_file, output_file) = (format!("{module}_input.mem"), format!("{module}_output.mem"));
    let template = Testbench {
        header: provenance.header(module, "a self-checking testbench"),
        module,
        s: signature,
        clken,
        by_count: signature.frames == Frames::Count,
        vectors: vectors.len(),
        every,
        input_file: &input_file,
        output_file: &output_file,
    };
    let fail = |e| Error::internal("template of the testbench", e);
    let text = template.render().map_err(fail)? + "\n";
    let header = provenance.header(module, "compiles and runs the testbench").replace("// ", "# ");
    let script = Script { header, module }.render().map_err(fail)? + "\n";
    Ok(vec![
        File { path: format!("{module}.v"), text },
        File { path: input_file.clone(), text: beats(&signature.input, &vectors) },
        File { path: output_file.clone(), text: beats(&signature.output, &outputs) },
        File { path: format!("{module}.sh"), text: script },
    ])
}

#[derive(Template)]
#[template(path = "testbench.v")]
struct Testbench<'a> {
    header: String,
    module: &'a str,
    s: &'a Signature,
    clken: bool,
    by_count: bool,
    vectors: usize,
    every: usize,
    input_file: &'a str,
    output_file: &'a str,
}

#[derive(Template)]
#[template(path = "testbench.sh")]
struct Script<'a> {
    header: String,
    module: &'a str,
}

/// Corners (all least, all greatest, zeros, both ends in turn, the first and the last element alone
/// at an end), then random vectors, every other one of the ends only. Always the same for a model's
/// input.
fn vectors(model: &Model) -> Vec<Vec<i64>> {
    let (n, lo, hi) = (model.input.elements(), model.input.format.min(), model.input.format.max());
    let alternating = |a: i64, b: i64| (0..n).map(|i| if i % 2 == 0 { a } else { b }).collect();
    let alone = |i: usize, v: i64| {
        let mut x = vec![0; n];
        x[i] = v;
        x
    };
    let mut vectors = vec![
        vec![lo; n],
        vec![hi; n],
        vec![0; n],
        alternating(lo, hi),
        alternating(hi, lo),
        alone(0, hi),
        alone(n - 1, lo),
    ];
    vectors.push(alone(n - 1, hi));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for k in 0..RANDOM {
        let ends = k % 2 == 0;
        let element = |_| match (ends, rng.random_bool(0.5)) {
            (true, false) => lo,
            (true, true) => hi,
            (false, _) => rng.random_range(lo..=hi),
        };
        vectors.push((0..n).map(element).collect());
    }
    vectors
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
    use strassenc_runtime::Format;

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
