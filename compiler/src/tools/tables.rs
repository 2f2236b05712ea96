//! UCI's tables out of the R package `mlbench`: data frames in R's serialisation (R Internals,
//! section 1.8), packed with xz, made into the files that UCI has.

/// A data set of the package, whose name is the one of `strassenc doctor --install`.
#[derive(Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    /// The file in the package's folder of data.
    pub file: &'static str,
    /// The file's SHA-256 in version 2.1-3 of the package.
    pub sha256: &'static str,
    /// The files as UCI calls them, each with how many samples are in it.
    pub parts: &'static [(&'static str, usize)],
    write: fn(sample: &[u32]) -> String,
}

/// The tables in the package.
pub const TABLES: [Table; 2] = [
    Table {
        name: "letter",
        file: "LetterRecognition.rda",
        sha256: "967a1a3e10b548d7269cbe50182bcecd6365cc58ea07638bbc34c51f17f34f1d",
        parts: &[("letter-recognition.data", 20_000)],
        // The letter comes first, counted from 1.
        write: |sample| {
            let numbers = sample[1..].iter().map(|v| format!(",{v}"));
            char::from(b'A' + (sample[0] - 1) as u8).to_string() + &numbers.collect::<String>()
        },
    },
    Table {
        name: "satellite",
        file: "Satellite.rda",
        sha256: "29f8cf9bb1bc51b769d694c9caf740fd1c36ed6a7c87603edf5985962e330f64",
        parts: &[("sat.trn", 4435), ("sat.tst", 2000)],
        // The kind of ground comes last, counted from 1; UCI's sixth, a mixture, has no sample, and
        // is left out of the count here.
        write: |sample| {
            let (kind, bytes) = (sample[sample.len() - 1], &sample[..sample.len() - 1]);
            let numbers: String = bytes.iter().map(|v| format!("{v} ")).collect();
            numbers + &(if kind == 6 { 7 } else { kind }).to_string()
        },
    },
];

impl Table {
    /// The texts of the parts, from the unpacked file. `None` where it is not that table.
    pub fn texts(&self, bytes: &[u8]) -> Option<Vec<String>> {
        let columns = columns(bytes)?;
        let samples = self.parts.iter().map(|(_, samples)| samples).sum::<usize>();
        (columns.iter().all(|column| column.len() == samples)).then_some(())?;
        let mut lines =
            (0..samples).map(|i| columns.iter().map(|column| column[i]).collect::<Vec<_>>());
        let part = |(_, n): &(_, usize)| {
            lines.by_ref().take(*n).map(|sample| (self.write)(&sample) + "\n").collect()
        };
        Some(self.parts.iter().map(part).collect())
    }
}

/// The columns of the data frame that is all that a file holds: whole numbers, and factors as their
/// levels, counted from 1.
fn columns(bytes: &[u8]) -> Option<Vec<Vec<u32>>> {
    const LIST: u32 = 2;
    const SYMBOL: u32 = 1;
    const VECTOR: u32 = 19;
    let mut rest = Rest(bytes.strip_prefix(b"RDX2\nX\n")?);
    // Version, that of R, and the least that reads it.
    rest.0 = rest.0.get(12..)?;
    // A list of one value, whose name is a symbol.
    (rest.number()? & 0xff == LIST && rest.number()? == SYMBOL).then_some(())?;
    rest.string()?;
    (rest.number()? & 0xff == VECTOR).then_some(())?;
    (0..rest.number()?).map(|_| rest.column()).collect()
}

/// What is left of a file.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(bytes)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        const CHARACTERS: u32 = 9;
        (self.number()? & 0xff == CHARACTERS).then_some(())?;
        let length = self.number()? as usize;
        self.bytes(length)
    }

    /// A vector of whole numbers, and over the levels of a factor.
    fn column(&mut self) -> Option<Vec<u32>> {
        const INTEGERS: u32 = 13;
        const REALS: u32 = 14;
        let flags = self.number()?;
        let n = self.number()? as usize;
        let column = match flags & 0xff {
            INTEGERS => self
                .bytes(n.checked_mul(4)?)?
                .as_chunks()
                .0
                .iter()
                .map(|b| u32::from_be_bytes(*b))
                .collect(),
            REALS => {
                let whole = |b: &[u8; 8]| {
                    let v = f64::from_be_bytes(*b);
                    (v.fract() == 0.0 && (0.0..256.0).contains(&v)).then_some(v as u32)
                };
                self.bytes(n.checked_mul(8)?)?
                    .as_chunks()
                    .0
                    .iter()
                    .map(whole)
                    .collect::<Option<_>>()?
            }
            _ => return None,
        };
        const ATTRIBUTES: u32 = 0x200;
        if flags & ATTRIBUTES != 0 {
            self.skip_attributes()?;
        }
        Some(column)
    }

    /// A list of pairs, each a symbol and strings.
    fn skip_attributes(&mut self) -> Option<()> {
        const END: u32 = 254;
        const SYMBOL: u32 = 1;
        while self.number()? & 0xff != END {
            // A symbol that has stood before is but a number.
            if self.number()? == SYMBOL {
                self.string()?;
            }
            self.number()?;
            for _ in 0..self.number()? {
                self.string()?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A data frame of one factor of three samples and one column of reals.
    fn frame() -> Vec<u8> {
        let mut bytes = b"RDX2\nX\n".to_vec();
        let put = |bytes: &mut Vec<u8>, numbers: &[u32]| {
            bytes.extend(numbers.iter().flat_map(|n| n.to_be_bytes()))
        };
        let string = |bytes: &mut Vec<u8>, text: &str| {
            bytes.extend([9, text.len() as u32].iter().flat_map(|n: &u32| n.to_be_bytes()));
            bytes.extend(text.bytes());
        };
        put(&mut bytes, &[2, 0x2_0a01, 0x2_0300, 0x402, 1]);
        string(&mut bytes, "Frame");
        put(&mut bytes, &[0x313, 2, 0x30d, 3, 2, 1, 2, 0x402, 1]);
        string(&mut bytes, "levels");
        put(&mut bytes, &[16, 2]);
        string(&mut bytes, "a");
        string(&mut bytes, "b");
        put(&mut bytes, &[0x402, 1]);
        string(&mut bytes, "class");
        put(&mut bytes, &[16, 1]);
        string(&mut bytes, "factor");
        put(&mut bytes, &[254, 14, 3]);
        bytes.extend([7.0, 0.0, 255.0].iter().flat_map(|v: &f64| v.to_be_bytes()));
        bytes
    }

    #[test]
    fn a_frame_becomes_the_files_of_uci() {
        let bytes = frame();
        assert_eq!(columns(&bytes).unwrap(), [[2, 1, 2], [7, 0, 255]]);
        let letter = Table { parts: &[("a", 3)], ..TABLES[0] };
        assert_eq!(letter.texts(&bytes).unwrap(), ["B,7\nA,0\nB,255\n"]);
        let parts = Table { parts: &[("a", 2), ("b", 1)], ..TABLES[1] };
        assert_eq!(parts.texts(&bytes).unwrap(), ["2 7\n1 0\n", "2 255\n"]);
        assert_eq!((TABLES[1].write)(&[1, 2, 6]), "1 2 7");
        assert!(Table { parts: &[("a", 4)], ..TABLES[0] }.texts(&bytes).is_none());
        for end in 0..bytes.len() {
            assert_eq!(columns(&bytes[..end]), None, "{end}");
        }
    }
}
