//! Folders of recordings in WAV files.

use super::folders::{self, Files, Named};
use super::{DataSet, MAX_ELEMENTS, Values};
use crate::error::{Error, Result};
use crate::files;
use crate::log_mel::FrontEnd;
use crate::network::Input;
use hound::{SampleFormat, WavReader};
use ndarray::Array2;
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// How recordings lie.
const RECORDINGS: Files = Files {
    one: "recording",
    extensions: &["wav"],
    layout: "recordings lie in FOLDER/CLASS/*.wav; or in FOLDER itself, called CLASS_*.wav; or in \
             FOLDER/train/ and FOLDER/test/ in either way",
};

/// What a network of sounds says of its input, for messages.
const EXAMPLE: &str = "set e.g. `input = { shape = [64, 16], bits = 8, frac = 4, log_mel = { rate = \
                       8000, window = 256, step = 128 } }` in the description";

/// The set in a folder, or in a folder for either part, as a network sees it that takes `input`.
/// The files whose names are like `test` are the test samples; else those of the folder `test`,
/// where there is one, or every fifth of a class.
///
/// # Errors
/// Where the input has no front end, a folder is missing or has no recording, or one is damaged or
/// of another kind than the front end takes.
pub fn load(
    name: &str,
    folders: &[PathBuf],
    test: Option<&str>,
    input: Option<&Input>,
) -> Result<DataSet> {
    let Some((input, front)) = input.and_then(|input| Some((input, FrontEnd::of(input)?))) else {
        let cause = "has recordings, and the input of the network has no `log_mel`, which says how \
                     numbers are made of them";
        return Err(Error::input(format_args!("data set `{name}`"), cause).help(EXAMPLE));
    };
    let mut folders = folders::parts(folders);
    let mut notes = vec![];
    let mut lists: Vec<Vec<Named>> =
        folders.iter().map(|folder| list(folder, &mut notes)).collect::<Result<_>>()?;
    if let Some(pattern) = test {
        lists = split(&folders, lists, pattern)?;
        folders.push(folders[0].clone());
    }
    let elements = input.elements();
    let count: usize = lists.iter().map(Vec::len).sum();
    if elements * count > MAX_ELEMENTS {
        let cause =
            format!("{count} recordings of {elements} numbers are more than {MAX_ELEMENTS}");
        return Err(Error::input(folders[0].display(), cause).help("give fewer"));
    }
    let mut classes = folders::classes(&lists, &folders)?;
    let mut lengths = vec![];
    let mut values = vec![];
    for list in &lists {
        let read = list.par_iter().map(|(path, _)| {
            let samples = read(path, front.cut.rate)?;
            Ok((samples.len(), front.features(&samples)))
        });
        // The error of the first that has one, on any number of threads.
        let read: Vec<_> = read.collect::<Vec<Result<_>>>().into_iter().collect::<Result<_>>()?;
        let least = 2f32.powi(-input.frac);
        let of_all = read.iter().flat_map(|(_, features)| features);
        let of_all = of_all.map(|v| *v as f32 * least).collect();
        let all = Array2::from_shape_vec((list.len(), elements), of_all)
            .map_err(|e| Error::internal("recordings", e))?;
        values.push(Values::from(all));
        lengths.extend(read.iter().map(|(length, _)| *length));
    }
    classes.notes.append(&mut notes);
    classes.notes.extend(told(&lengths, &front));
    let place = folders[0].display().to_string();
    DataSet::of_parts(name, &place, input.shape.clone(), classes, values)
}

/// The recordings of a folder, by class and name.
fn list(folder: &Path, notes: &mut Vec<String>) -> Result<Vec<Named>> {
    let by_name = RECORDINGS.list_by_name(folder);
    match by_name {
        Ok(list) if !list.is_empty() => Ok(list),
        Err(e) => Err(e),
        Ok(_) => RECORDINGS.list(folder, notes),
    }
}

/// The recordings of one part in two, the second of which has those whose names are like `pattern`.
fn split(folders: &[PathBuf], lists: Vec<Vec<Named>>, pattern: &str) -> Result<Vec<Vec<Named>>> {
    let Ok([list]) = <[Vec<Named>; 1]>::try_from(lists) else {
        let cause = "has test recordings in a folder of their own, and `test` names others";
        return Err(Error::input(folders[0].display(), cause).help("remove `test`"));
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let example = list.first().map(|(path, _)| name(path)).unwrap_or_default();
    let (test, train): (Vec<Named>, Vec<Named>) =
        list.into_iter().partition(|(path, _)| is_like(&name(path), pattern));
    for (part, what) in [(&test, "no"), (&train, "every")] {
        if part.is_empty() {
            let cause = format!("has {what} recording whose name is like `{pattern}`");
            return Err(Error::input(folders[0].display(), cause).help(format_args!(
                "give in `test` a part of the names of test recordings, with `*` for the rest; one \
                 is called `{example}`"
            )));
        }
    }
    Ok(vec![train, test])
}

/// Whether a name is like a pattern, in which `*` stands for any characters.
fn is_like(name: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return name == pattern };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
        return false;
    };
    // The earliest place of each part leaves the most for those behind it.
    let mut rest = name;
    middle.split('*').all(|part| match rest.split_once(part) {
        Some((_, behind)) => {
            rest = behind;
            true
        }
        None => false,
    })
}

/// How long the recordings are, and how many are cut.
fn told(lengths: &[usize], front: &FrontEnd) -> Option<String> {
    let seconds = |samples: usize| samples as f64 / f64::from(front.cut.rate);
    let (least, most) = (lengths.iter().min()?, lengths.iter().max()?);
    let mean = lengths.iter().sum::<usize>() / lengths.len();
    let cut = lengths.iter().filter(|length| **length > front.samples()).count();
    Some(format!(
        "recordings are {:.2} to {:.2} s long, {:.2} s in the mean; the network hears the first \
         {:.2} s, less than there is of {cut}",
        seconds(*least),
        seconds(*most),
        seconds(mean),
        seconds(front.samples()),
    ))
}

/// The samples of a recording of this rate, in 16 bits.
fn read(path: &Path, rate: u32) -> Result<Vec<i16>> {
    decode(&files::read(path)?, rate).map_err(|cause| {
        Error::input(path.display(), cause).help(format_args!(
            "make it anew, e.g. ffmpeg -i OLD.wav -ac 1 -ar {rate} -c:a pcm_s16le NEW.wav\n\
             or take it out of the folder"
        ))
    })
}

/// The samples in a WAV file, or what is wrong.
fn decode(bytes: &[u8], rate: u32) -> std::result::Result<Vec<i16>, String> {
    if !bytes.starts_with(b"RIFF") {
        return Err("is no WAV file, whatever its name says".into());
    }
    let damaged = |e: hound::Error| match e {
        hound::Error::Unsupported => "is in a format of WAV that is not read: 8 and 16 bit PCM \
                                      are"
        .into(),
        e => format!("is damaged: {e}"),
    };
    let reader = WavReader::new(bytes).map_err(damaged)?;
    let spec = reader.spec();
    let up = match (spec.sample_format, spec.bits_per_sample) {
        (SampleFormat::Int, 16) => 0,
        (SampleFormat::Int, 8) => 8,
        (SampleFormat::Int, bits) => {
            return Err(format!("has samples of {bits} bits, not 8 or 16"));
        }
        (SampleFormat::Float, _) => return Err("has samples in floating point, not in PCM".into()),
    };
    if spec.channels != 1 {
        return Err(format!("has {} channels, not one", spec.channels));
    }
    if spec.sample_rate != rate {
        return Err(format!(
            "has {} samples a second, the network takes {rate}: the `rate` of its `log_mel`",
            spec.sample_rate
        ));
    }
    let samples = reader.into_samples::<i16>().map(|sample| sample.map(|v| v << up));
    let samples: Vec<i16> = samples.collect::<hound::Result<_>>().map_err(damaged)?;
    if samples.is_empty() {
        return Err("holds no sample".into());
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Wanted, load_for};
    use crate::log_mel::LogMel;
    use crate::network::Loss;
    use hound::{WavSpec, WavWriter};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::fs;
    use std::io::Cursor;

    /// A WAV file of 1000 samples a second, changed by `change`.
    fn wav(samples: &[i32], change: impl Fn(&mut WavSpec)) -> Vec<u8> {
        let (mut bytes, sample_format) = (Cursor::new(vec![]), SampleFormat::Int);
        let mut spec =
            WavSpec { channels: 1, sample_rate: 1000, bits_per_sample: 16, sample_format };
        change(&mut spec);
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                SampleFormat::Int => writer.write_sample(*sample).unwrap(),
                SampleFormat::Float => writer.write_sample(*sample as f32).unwrap(),
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn plain(samples: &[i32]) -> Vec<u8> {
        wav(samples, |_| ())
    }

    #[test]
    fn samples_of_8_and_16_bits_are_read_and_no_others() {
        let samples = [0, 1, -128, 127];
        assert_eq!(decode(&plain(&samples), 1000).unwrap(), [0, 1, -128, 127]);
        let bytes = wav(&samples, |spec| spec.bits_per_sample = 8);
        assert_eq!(decode(&bytes, 1000).unwrap(), [0, 256, -32768, 127 * 256]);
        for (bytes, cause) in [
            (wav(&samples, |spec| spec.channels = 2), "has 2 channels, not one"),
            (wav(&samples, |spec| spec.sample_rate = 999), "has 999 samples a second"),
            (wav(&samples, |spec| spec.bits_per_sample = 24), "has samples of 24 bits"),
            (
                wav(&samples, |spec| {
                    (spec.bits_per_sample, spec.sample_format) = (32, SampleFormat::Float);
                }),
                "in floating point",
            ),
            (plain(&[]), "holds no sample"),
            (plain(&samples)[..49].into(), "is damaged"),
            (b"OggS".into(), "is no WAV file"),
        ] {
            let e = decode(&bytes, 1000).unwrap_err();
            assert!(e.contains(cause), "{cause}: {e}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000,
            rng_seed: RngSeed::Fixed(24),
            ..Default::default()
        })]

        #[test]
        fn noise_never_panics(
            bits in 1u16..4,
            at in 0usize..60,
            put in prop::collection::vec(any::<u8>(), 0..9),
            length in 0usize..120,
        ) {
            let mut bytes = wav(&[5; 20], |spec| spec.bits_per_sample = 8 * bits);
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
            bytes.truncate(length);
            let _ = decode(&bytes, 1000);
        }
    }

    #[test]
    fn a_pattern_is_like_names() {
        for (pattern, like, unlike) in [
            ("*_theo_*", "0_theo_1.wav", "0_theon_1.wav"),
            ("a.wav", "a.wav", "ab.wav"),
            ("a*", "ab", "ba"),
            ("*", "", ""),
            ("*ab*ba*", "xabbax", "xabax"),
            ("a*a", "aa", "a"),
            ("a*b*c", "abbc", "acb"),
        ] {
            assert!(is_like(like, pattern), "{like} {pattern}");
            assert!(pattern == "*" || !is_like(unlike, pattern), "{unlike} {pattern}");
        }
    }

    /// Two frames, of samples as [`wav`] has them.
    fn input() -> Input {
        let log_mel = Some(LogMel { rate: 1000, window: 32, step: 16 });
        Input { shape: vec![2, 3], bits: 8, frac: 4, signed: false, log_mel }
    }

    /// Writes files of these paths and loads the folder, with an option behind it.
    fn load_files(files: &[(&str, Vec<u8>)], option: &str) -> std::result::Result<DataSet, String> {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("set");
        for (path, bytes) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let input = input();
        let wanted = Wanted { input: Some(&input), ..Loss::CrossEntropy.into() };
        let spec = format!("wav:{}{option}", folder.display());
        load_for(wanted, &spec, Path::new("/nowhere")).map_err(|e| e.to_string())
    }

    #[test]
    fn classes_are_folders_or_what_names_begin_with() {
        let some = || plain(&[100, -100, 300, 5]);
        let long = || plain(&[50; 100]);
        let due = [&[0, 0, 1][..], &[1]];
        for (option, paths) in [
            (",test=*y*", ["0_x.wav", "0_z.WAV", "1_x.wav", "1_y.wav"]),
            (",test=*y*", ["0/x.wav", "0/z.wav", "1/x.wav", "1/y.wav"]),
            ("", ["train/0/x.wav", "train/0/z.wav", "train/1/x.wav", "test/1/y.wav"]),
            ("", ["train/0_x.wav", "train/0_z.wav", "train/1_x.wav", "val/1_y.wav"]),
        ] {
            let files: Vec<_> = paths.into_iter().zip([some(), long(), some(), long()]).collect();
            let set = load_files(&files, option).unwrap();
            assert_eq!([&set.train.labels[..], &set.test.labels], due, "{paths:?}");
            assert_eq!((&set.shape[..], set.name.as_str()), (&[2, 3][..], "set"));
            let told = "recordings are 0.00 to 0.10 s long, 0.05 s in the mean; the network hears \
                        the first 0.05 s, less than there is of 2";
            assert!(set.notes.iter().any(|note| note == told), "{:?}", set.notes);
            let features = FrontEnd::of(&input()).unwrap().features(&[50; 100]);
            let found = set.test.x.integers(&vec![(set.elements(), input().format())]).unwrap();
            assert!(found.iter().map(|v| *v as u32).eq(features), "{found}");
        }
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let some = || plain(&[1, 2]);
        for (files, option, cause) in [
            (vec![("a/x.txt", vec![])], "", "holds no recording"),
            (vec![("x.txt", vec![])], "", "holds no folder of recordings"),
            (vec![("x.wav", some())], "", "has no `_` in its name"),
            (vec![("a_x.wav", some())], "", "no class with five samples"),
            (vec![("a_x.wav", some())], ",test=*_y*", "no recording whose name is like `*_y*`"),
            (vec![("a_x.wav", some())], ",test=*_x*", "every recording whose name is like"),
            (vec![("train/a_x.wav", some()), ("test/a_x.wav", some())], ",test=x", "remove `test`"),
            (vec![("a_x.wav", some()), ("a_y.wav", vec![])], ",test=*x*", "ffmpeg -i OLD.wav"),
        ] {
            let e = load_files(&files, option).unwrap_err();
            assert!(e.contains(cause), "{cause}: {e}");
        }
    }
}
