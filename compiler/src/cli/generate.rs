//! The command `strassenc generate`.

use super::{INTERRUPTED, home, numbers, output, verilog};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use strassenc::build::Build;
use strassenc::simulate::{Simulator, Sources};
use strassenc_runtime::data::Symbols;
use strassenc_runtime::sampling::sample;
use strassenc_runtime::{Error, Kind, Model, Result, golden};

/// Text from a language model
///
/// Reads the prompt, then draws one character or word after the other from what the integer network
/// says comes next. The same prompt, seed and temperature give the same text, from golden and from
/// the hardware.
///
/// A network of words reads the characters of a word, also of one that it does not know.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  strassenc generate runs/austen --prompt 'It is a truth'
  strassenc generate runs/austen --prompt Emma --characters 1000 --temperature 0.7 --seed 3
  strassenc generate runs/austen --temperature 0         always the likeliest character
  strassenc generate runs/ptb --prompt 'the company said' --words 30   a network of words
  strassenc generate build/austen --hardware             the same text, by the core in Verilator")]
pub struct Args {
    /// A model file, or a folder that holds model.safetensors; with --hardware one that `strassenc
    /// verilog` wrote
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Draw from what the core yields in Verilator, and not from golden
    #[arg(long)]
    hardware: bool,
    /// What the text begins with
    #[arg(long, default_value = "\n")]
    prompt: String,
    /// How many characters, or words, follow
    #[arg(long, visible_alias = "words", default_value_t = 300, value_name = "N",
        value_parser = numbers::count(0..=1_000_000_000))]
    characters: usize,
    /// Below 1 more of the likely, above 1 more of the unlikely; 0 the likeliest alone
    #[arg(long, default_value_t = 0.8, value_parser = |s: &str| numbers::real(s, 0.0..=1e6))]
    temperature: f64,
    /// The seed of what is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<()> {
    let model = verilog::load(&args.model)?;
    let symbols = Symbols::of_model(&model).ok_or_else(|| {
        Error::input(
            args.model.display(),
            "is no language model: it does not say which characters it knows",
        )
        .help("train one on a text: strassenc train austen")
    })?;
    let length = model.input.elements();
    let prompt = symbols.read(&args.prompt, length).map_err(|e| e.within("--prompt"))?;
    if prompt.is_empty() {
        return Err(Error::input("--prompt", "is empty")
            .help(format_args!("give at least one {}", symbols.unit())));
    }
    let mut show = |shown: &str| if args.json { Ok(()) } else { output::write(shown) };
    let text = if args.hardware {
        let tools = home::tools()?;
        let build = Build::open(&args.model)?;
        let sources = Sources::read(&build.folder, &build.signature)?;
        let mut core = Simulator::build(&sources, &build.signature, false, &tools)?.stepper()?;
        let mut start = true;
        let step = |input: &[i64]| Ok(core.step(input, std::mem::take(&mut start))?);
        generate(&model, &args, prompt, &symbols, step, &mut show)?
    } else {
        let mut state = golden::State::start();
        let step = |input: &[i64]| {
            let edges = golden::step(&model, &mut state, input)?;
            // A valid model has a last edge.
            Ok(edges.into_iter().last().unwrap_or_default())
        };
        generate(&model, &args, prompt, &symbols, step, &mut show)?
    };
    if args.json {
        let json = serde_json::json!({
            "prompt": args.prompt, "text": text, "seed": args.seed, "temperature": args.temperature,
        });
        output::json(&json)?;
    } else {
        output::line("")?;
    }
    Ok(())
}

/// The prompt and what follows it, symbol by symbol; `step` yields the outputs for the next input.
fn generate(
    model: &Model,
    args: &Args,
    prompt: Vec<(Vec<u32>, String)>,
    symbols: &Symbols,
    mut step: impl FnMut(&[i64]) -> Result<Vec<i64>>,
    show: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut text = String::new();
    let inputs = symbols.inputs(model.input.elements());
    let all = prompt.len() + args.characters;
    let mut read = prompt.into_iter();
    let mut next = read.next();
    for i in 0..all {
        let Some((input, shown)) = next else { break };
        text += &shown;
        show(&shown)?;
        if INTERRUPTED.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::Interrupted, "generate", "interrupted by the user"));
        }
        if i + 1 == all {
            break;
        }
        let outputs = step(&input.into_iter().map(i64::from).collect::<Vec<_>>())?;
        next = read.next().or_else(|| {
            let drawn = sample(&outputs, model.output_frac(), args.temperature, rng.random());
            Some((inputs.row(drawn).to_vec(), symbols.shown(drawn as u32)))
        });
    }
    Ok(text)
}
