//! ONNX Runtime as what others learn from: a process that computes outputs as they are asked for.

use crate::tools::Tools;
use strassenc_runtime::onnx::Answer;
use strassenc_runtime::{Error, Result};

/// Starts ONNX Runtime with a file, for samples with these axes, `ahead` of which are asked for
/// before anything else. Its outputs are the same on any number of threads.
///
/// # Errors
/// Where Python or ONNX Runtime is missing, or does not take the file.
pub fn teacher(tools: &Tools, file: &[u8], axes: &[usize], ahead: usize) -> Result<Answer> {
    let python = tools.onnxruntime()?;
    let mut command = python.command();
    command.args(["-c", include_str!("teacher.py")]);
    command.arg(rayon::current_num_threads().to_string());
    command.args(axes.iter().map(usize::to_string));
    let mut dialogue = tools.converse(&mut command)?;
    dialogue.ask(file)?;
    let (tools, elements) = (tools.clone(), axes.iter().product::<usize>().max(1));
    let bar = tools.bar("ONNX Runtime", ahead as u64, "samples");
    Ok(Box::new(move |samples| {
        tools.check_interrupted()?;
        let question: Vec<u8> = samples.iter().flat_map(|v| v.to_le_bytes()).collect();
        let answer = dialogue.ask(&question)?;
        bar.inc((samples.len() / elements) as u64);
        if bar.position() >= ahead as u64 {
            bar.finish_and_clear();
        }
        let (numbers, []) = answer.as_chunks::<4>() else {
            return Err(Error::internal("ONNX Runtime", "answers with half a number"));
        };
        Ok(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }))
}
