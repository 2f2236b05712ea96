//! What is kept in a cache is looked at before it is used again: a file that was cut or changed is
//! made anew. Size and SHA-256 of the files of a folder stand in `seal.json` beside them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

const SEAL: &str = "seal.json";

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Seal {
    bytes: u64,
    sha256: String,
}

/// Records these files of `folder` as they are.
///
/// # Errors
/// Where one cannot be read, or the record cannot be written.
pub fn seal(folder: &Path, names: &[&str]) -> io::Result<()> {
    let one = |name: &&str| Ok((name.to_string(), measure(&folder.join(name))?));
    let seals = names.iter().map(one).collect::<io::Result<BTreeMap<_, _>>>()?;
    let text = serde_json::to_vec(&seals)?;
    // A process that is killed meanwhile leaves no half of a seal.
    let written = folder.join(format!("{SEAL}.new"));
    File::create(&written)?.write_all(&text)?;
    fs::rename(written, folder.join(SEAL))
}

/// Whether these files of `folder` are all there, as they were when they were sealed.
pub fn is_whole(folder: &Path, names: &[&str]) -> bool {
    let seals = fs::read(folder.join(SEAL)).ok();
    let seals: Option<BTreeMap<String, Seal>> =
        seals.and_then(|text| serde_json::from_slice(&text).ok());
    seals.is_some_and(|seals| {
        let as_sealed = |name: &&str| {
            let (path, seal) = (folder.join(name), seals.get(*name));
            // Length and kind before the contents, of which a device has no end.
            let is_as_long =
                |m: fs::Metadata| m.is_file() && seal.is_some_and(|seal| m.len() == seal.bytes);
            fs::metadata(&path).is_ok_and(is_as_long) && measure(&path).ok().as_ref() == seal
        };
        seals.len() == names.len() && names.iter().all(as_sealed)
    })
}

fn measure(path: &Path) -> io::Result<Seal> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => break,
            read => {
                hash.update(&part[..read]);
                bytes += read as u64;
            }
        }
    }
    Ok(Seal { bytes, sha256: hash.finalize().iter().map(|b| format!("{b:02x}")).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let names = ["a", "b"];
        assert!(!is_whole(path, &names), "nothing is there");
        fs::write(path.join("a"), "first").unwrap();
        fs::write(path.join("b"), "second").unwrap();
        assert!(!is_whole(path, &names), "no seal");
        seal(path, &names).unwrap();
        assert!(is_whole(path, &names));
        for damaged in ["", "sec", "Second", "second more"] {
            fs::write(path.join("b"), damaged).unwrap();
            assert!(!is_whole(path, &names), "{damaged}");
        }
        fs::remove_file(path.join("b")).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/dev/zero", path.join("b")).unwrap();
            assert!(!is_whole(path, &names), "a file without an end");
            fs::remove_file(path.join("b")).unwrap();
        }
        assert!(!is_whole(path, &names) && !is_whole(path, &["a"]), "a file is missing");
        fs::write(path.join("b"), "second").unwrap();
        assert!(is_whole(path, &names));
        let text = fs::read(path.join(SEAL)).unwrap();
        for length in 0..text.len() {
            fs::write(path.join(SEAL), &text[..length]).unwrap();
            assert!(!is_whole(path, &names), "{length} bytes of the seal");
        }
    }
}
