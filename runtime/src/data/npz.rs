//! NumPy's `.npz` archives, read with care: ZIP files of `.npy` arrays, packed or not.

use super::MAX_ELEMENTS;
use super::npy::Npy;
use crate::error::{Error, Result};
use crate::files;
use std::io::Read;
use std::path::Path;

/// An archive whose directory is read; an array is unpacked when it is asked for.
pub struct Npz {
    place: String,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// What the directory says of an array.
struct Entry {
    /// Without `.npy`.
    name: String,
    packed: bool,
    crc: u32,
    /// Bytes in the archive, and unpacked.
    sizes: [usize; 2],
    /// Where its local header begins.
    at: usize,
}

/// The most bytes of an unpacked array.
const MOST: usize = 8 * MAX_ELEMENTS + (1 << 16);

impl Npz {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, is no ZIP file, or its directory is damaged.
    pub fn read(path: &Path) -> Result<Npz> {
        let begins = |bytes: &[u8]| match bytes {
            [b'P', b'K', ..] => Ok(()),
            _ => Err("is not an .npz file: it does not begin as a ZIP file does".to_owned()),
        };
        let bytes = files::read_if(path, begins)?;
        let place = path.display().to_string();
        match directory(&bytes) {
            Ok(entries) => Ok(Npz { place, bytes, entries }),
            Err(cause) => Err(Error::input(place, cause)
                .help("numpy.savez and numpy.savez_compressed write what is read")),
        }
    }

    /// The names of the arrays.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// The array of this name, which is one of [`Self::names`].
    ///
    /// # Errors
    /// Where it is none of them or damaged, and as [`Npy::read`].
    pub fn array(&self, name: &str) -> Result<Npy> {
        let place = format!("{}, {name}", self.place);
        let entry = self.entries.iter().find(|entry| entry.name == name);
        let unpacked = match entry {
            Some(entry) => unpack(&self.bytes, entry),
            None => Err("is missing".into()),
        };
        let unpacked = unpacked.map_err(|cause| Error::input(&place, cause))?;
        Npy::of_bytes(place, &unpacked)
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_le_bytes(*b).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_le_bytes(*b) as usize)
}

/// The entries of the directory, which stands at the end (APPNOTE.TXT, 4.3.12 and 4.3.16).
fn directory(bytes: &[u8]) -> std::result::Result<Vec<Entry>, String> {
    // Behind the end's 22 bytes there may be a comment of up to 64 KiB.
    let first = bytes.len().saturating_sub(22 + (1 << 16));
    let ends = (first..bytes.len().saturating_sub(21)).rev();
    let end = ends.into_iter().find(|at| bytes[*at..].starts_with(b"PK\x05\x06"));
    let truncated = || "is damaged or truncated: its directory is missing".to_owned();
    let end = end.ok_or_else(truncated)?;
    let count = u16_at(bytes, end + 10).ok_or_else(truncated)?;
    let mut at = u32_at(bytes, end + 16).ok_or_else(truncated)?;
    if count == 0xffff || at == 0xffff_ffff {
        return Err("is an archive of more than 4 GiB: save its arrays as .npy files".into());
    }
    let mut entries = vec![];
    for _ in 0..count {
        entries.push(entry(bytes, &mut at).ok_or_else(truncated)??);
    }
    Ok(entries)
}

/// The entry at `at`, which moves behind it; none where that is none.
fn entry(bytes: &[u8], at: &mut usize) -> Option<std::result::Result<Entry, String>> {
    let header = bytes.get(*at..)?;
    if !header.starts_with(b"PK\x01\x02") {
        return None;
    }
    let [flags, method] = [u16_at(header, 8)?, u16_at(header, 10)?];
    let [crc, packed, unpacked] = [u32_at(header, 16)?, u32_at(header, 20)?, u32_at(header, 24)?];
    let [name, extra, comment] = [u16_at(header, 28)?, u16_at(header, 30)?, u16_at(header, 32)?];
    let local = u32_at(header, 42)?;
    let name = String::from_utf8_lossy(header.get(46..46 + name)?);
    *at += 46 + name.len() + extra + comment;
    let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
    if flags & 1 != 0 || !matches!(method, 0 | 8) {
        return Some(Err(format!("has `{name}` encrypted, or packed by a method but deflate")));
    }
    if [packed, unpacked, local].contains(&0xffff_ffff) || unpacked > MOST {
        return Some(Err(format!("has `{name}` of more than 4 GiB: save it as an .npy file")));
    }
    let sizes = [packed, unpacked];
    Some(Ok(Entry { name, packed: method == 8, crc: crc as u32, sizes, at: local }))
}

/// The bytes of an entry.
fn unpack(bytes: &[u8], entry: &Entry) -> std::result::Result<Vec<u8>, String> {
    let damaged = || "is damaged or truncated".to_owned();
    let header = bytes.get(entry.at..).ok_or_else(damaged)?;
    if !header.starts_with(b"PK\x03\x04") {
        return Err(damaged());
    }
    let [name, extra] =
        [26, 28].map(|at| u16_at(header, at)).map(|size| size.unwrap_or(usize::from(u16::MAX)));
    let [size, due] = entry.sizes;
    let data = header.get(30 + name + extra..).and_then(|data| data.get(..size));
    let data = data.ok_or_else(damaged)?;
    let mut unpacked = vec![];
    // One byte more than due is enough to see that there are more: a bomb unpacks no further.
    let result = if entry.packed {
        flate2::read::DeflateDecoder::new(data).take(due as u64 + 1).read_to_end(&mut unpacked)
    } else {
        data.take(due as u64 + 1).read_to_end(&mut unpacked)
    };
    let mut crc = flate2::Crc::new();
    crc.update(&unpacked);
    match result {
        Ok(length) if length == due && crc.sum() == entry.crc => Ok(unpacked),
        _ => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Due, Split, Wanted, load, load_for, npy};
    use crate::network::Loss;
    use ndarray::{ArrayD, array};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use std::io::Write;
    use std::path::Path;

    /// An archive as NumPy writes it, every other array packed.
    fn archive(arrays: &[(&str, ArrayD<i64>)]) -> Vec<u8> {
        let (mut file, mut directory) = (vec![], vec![]);
        for (i, (name, array)) in arrays.iter().enumerate() {
            let bytes = npy::to_bytes(array);
            let packed = match i % 2 {
                0 => bytes.clone(),
                _ => {
                    let level = flate2::Compression::best();
                    let mut encoder = flate2::write::DeflateEncoder::new(vec![], level);
                    encoder.write_all(&bytes).unwrap();
                    encoder.finish().unwrap()
                }
            };
            let mut crc = flate2::Crc::new();
            crc.update(&bytes);
            let name = format!("{name}.npy");
            let at = file.len() as u32;
            let mut common = vec![20, 0, 0, 0, if i % 2 == 0 { 0 } else { 8 }, 0, 0, 0, 0, 0];
            common.extend(crc.sum().to_le_bytes());
            common.extend((packed.len() as u32).to_le_bytes());
            common.extend((bytes.len() as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            file.extend([&b"PK\x03\x04"[..], &common, &[4, 0], name.as_bytes(), &[9; 4]].concat());
            file.extend(packed);
            let rest = [&[0; 12][..], &at.to_le_bytes(), name.as_bytes()].concat();
            directory.extend([&b"PK\x01\x02\x14\x00"[..], &common, &rest].concat());
        }
        let count = (arrays.len() as u16).to_le_bytes();
        let [size, at] = [directory.len(), file.len()].map(|n| (n as u32).to_le_bytes());
        let end = [&b"PK\x05\x06\0\0\0\0"[..], &count, &count, &size, &at, &[0, 0]].concat();
        [file, directory, end].concat()
    }

    fn good() -> Vec<u8> {
        let x = array![[[1, 2], [3, 4]], [[5, 6], [7, 8]]].into_dyn();
        archive(&[
            ("x_train", x.clone()),
            ("Y_TRAIN", array![0, 2].into_dyn()),
            ("test_images", x),
            ("y_test", array![1, 0].into_dyn()),
        ])
    }

    fn load_bytes(bytes: &[u8]) -> Result<crate::DataSet, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        std::fs::write(&path, bytes).unwrap();
        load(&format!("npz:{},frac=1", path.display()), Path::new("/nowhere"))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_archive_is_a_set() {
        let set = load_bytes(&good()).unwrap();
        assert_eq!((set.name.as_str(), &set.shape[..], set.classes), ("set", &[2, 2][..], 3));
        assert_eq!(set.test.x.singles().row(1).to_vec(), [2.5, 3.0, 3.5, 4.0]);
        assert_eq!((set.train.labels, set.test.labels), (vec![0, 2], vec![1, 0]));
    }

    /// What is due of heads stands in arrays of their names.
    #[test]
    fn heads_have_arrays_of_their_own() {
        let x = array![[1, 2], [3, 4]].into_dyn();
        let mut arrays = vec![
            ("x_train", x.clone()),
            ("y_train", array![0, 1].into_dyn()),
            ("x_test", x),
            ("y_test", array![1, 0].into_dyn()),
            ("y_train_kind", array![2, 0].into_dyn()),
            ("y_test_kind", array![1, 1].into_dyn()),
            ("Y_train_size", array![[5, 6], [7, 8]].into_dyn()),
            ("y_test_size", array![[1, 2], [3, 4]].into_dyn()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        let load = |arrays: &[(&str, ArrayD<i64>)], spec: &str| {
            std::fs::write(&path, archive(arrays)).unwrap();
            let heads = vec![("kind".into(), Loss::CrossEntropy), ("size".into(), Loss::Squared)];
            let wanted = Wanted { heads, ..Loss::CrossEntropy.into() };
            load_for(wanted, spec, Path::new("/nowhere")).map_err(|e| e.to_string())
        };
        let spec = format!("npz:{}", path.display());
        let data = load(&arrays, &spec).unwrap();
        let due = |split: &Split| split.heads.clone();
        let classes = |labels: [u32; 2]| Due::Classes(labels.to_vec());
        assert_eq!(
            due(&data.train),
            [classes([2, 0]), Due::Values(array![[5.0, 6.0], [7.0, 8.0]])]
        );
        assert_eq!(due(&data.test), [classes([1, 1]), Due::Values(array![[1.0, 2.0], [3.0, 4.0]])]);
        assert_eq!(due(&data.test.take(1))[1], Due::Values(array![[1.0, 2.0]]));
        assert!(load(&arrays, "digits").unwrap_err().contains("is due of head `kind`"));
        arrays[7].1 = array![[1, 2]].into_dyn();
        assert!(load(&arrays, &spec).unwrap_err().contains("2 samples, but 1 that are due"));
        arrays.pop();
        assert!(load(&arrays, &spec).unwrap_err().contains("has no array `y_test_size` among"));
    }

    /// What enters further inputs stands in arrays of their names, behind that of the first.
    #[test]
    fn further_inputs_have_arrays_of_their_own() {
        let mut arrays = vec![
            ("x_train", array![[1, 2], [3, 4]].into_dyn()),
            ("y_train", array![0, 1].into_dyn()),
            ("x_test", array![[5, 6]].into_dyn()),
            ("y_test", array![1].into_dyn()),
            ("x_train_age", array![7, 8].into_dyn()),
            ("X_test_age", array![9].into_dyn()),
            ("x_train_map", array![[[11, 12]], [[13, 14]]].into_dyn()),
            ("x_test_map", array![[[15, 16]]].into_dyn()),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("set.npz");
        let load = |arrays: &[(&str, ArrayD<i64>)], spec: &str| {
            std::fs::write(&path, archive(arrays)).unwrap();
            let further = ["age", "map"].map(String::from).to_vec();
            let wanted = Wanted { further, ..Loss::CrossEntropy.into() };
            load_for(wanted, spec, Path::new("/nowhere")).map_err(|e| e.to_string())
        };
        let spec = format!("npz:{}", path.display());
        let data = load(&arrays, &spec).unwrap();
        let further = [("age".to_owned(), vec![1]), ("map".to_owned(), vec![1, 2])];
        assert_eq!((data.elements(), data.further), (5, further.to_vec()));
        assert_eq!(
            data.train.x,
            array![[1.0, 2.0, 7.0, 11.0, 12.0], [3.0, 4.0, 8.0, 13.0, 14.0]].into()
        );
        assert_eq!(data.test.x, array![[5.0, 6.0, 9.0, 15.0, 16.0]].into());
        assert!(load(&arrays, "digits").unwrap_err().contains("of the further input `age`"));
        let told = |arrays: &[(&str, ArrayD<i64>)]| load(arrays, &spec).unwrap_err();
        arrays[5].1 = array![9, 9].into_dyn();
        assert!(told(&arrays).contains("input `age`: has 2 samples, where 1 enter"));
        arrays[5].1 = array![[9, 9]].into_dyn();
        assert!(told(&arrays).contains("has test samples of shape [2], its train samples"));
        arrays.remove(5);
        assert!(told(&arrays).contains("has no array `x_test_age` among"));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        let other = archive(&[("x", array![1].into_dyn())]);
        let mut flipped = good();
        flipped[60] ^= 1;
        for (bytes, cause) in [
            (other, "has no array `x_train` among x"),
            (flipped, "set.npz, x_train: is damaged"),
            (b"\x93NUMPY".to_vec(), "is not an .npz file"),
        ] {
            let e = load_bytes(&bytes).unwrap_err();
            assert!(e.contains(cause), "{e}");
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = good();
        for length in 0..whole.len() {
            assert!(load_bytes(&whole[..length]).is_err(), "{length}");
        }
    }

    /// The sizes that an archive declares are not believed.
    #[test]
    fn a_bomb_unpacks_no_further_than_it_says() {
        let mut bytes = good();
        // The unpacked sizes in the directory.
        let mut at = 0;
        while let Some(next) = bytes[at..].windows(4).position(|w| w == b"PK\x01\x02") {
            at += next + 24;
            bytes[at..at + 4].copy_from_slice(&[5, 0, 0, 0]);
        }
        assert!(load_bytes(&bytes).unwrap_err().contains("is damaged"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(2), ..Default::default() })]

        #[test]
        fn noise_never_panics(at in 0usize..2000, put in prop::collection::vec(any::<u8>(), 1..9)) {
            let mut bytes = good();
            let at = at % bytes.len();
            let end = (at + put.len()).min(bytes.len());
            bytes.splice(at..end, put);
            let _ = load_bytes(&bytes);
        }
    }
}
