//! Jane Austen's novels out of the R package `janeaustenr`: the blocks of a lazy-load database,
//! each a length and a zlib stream that holds a vector of lines in R's serialisation (R Internals,
//! section 1.8).

use flate2::read::ZlibDecoder;
use std::io::Read;

/// SHA-256 of the database in version 1.0.0 of the package.
pub const SHA256: &str = "8fb5198960d0da724b1562f96e4221e5c1b41ff455000280b02c55980c3d8f21";

/// The novels in the order of the database, as each begins, and their place in the order in which
/// they were published.
const NOVELS: [(&str, usize); 6] = [
    ("EMMA", 3),
    ("MANSFIELD PARK", 2),
    ("NORTHANGER ABBEY", 4),
    ("Persuasion", 5),
    ("PRIDE AND PREJUDICE", 1),
    ("SENSE AND SENSIBILITY", 0),
];

/// Train, valid and test text: the novels as they were published, of which the last one is tested
/// on, and the last fifth of the one before it validated on. `None` where the bytes are not that
/// database.
pub fn split(database: &[u8]) -> Option<[String; 3]> {
    let mut rest = database;
    let mut novels = vec![String::new(); NOVELS.len()];
    for (title, place) in NOVELS {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let mut stream = ZlibDecoder::new(after);
        let mut block = vec![];
        let length = u32::from_be_bytes(*length);
        // One byte more, so that the end of the stream is seen, and its checksum.
        stream.by_ref().take(u64::from(length) + 1).read_to_end(&mut block).ok()?;
        (block.len() == length as usize).then_some(())?;
        rest = after.get(stream.total_in() as usize..)?;
        novels[place] = lines(&block)?;
        novels[place].starts_with(title).then_some(())?;
    }
    let test = novels.pop()?;
    let last = novels.pop()?;
    let at = (last.len() / 5 * 4..last.len()).find(|at| last.is_char_boundary(*at))?;
    novels.push(last[..at].to_owned());
    Some([novels.concat(), last[at..].to_owned(), test])
}

/// The text of a vector of lines, each ended.
fn lines(block: &[u8]) -> Option<String> {
    let mut rest = block.strip_prefix(b"X\n")?;
    let number = |rest: &mut &[u8]| -> Option<u32> {
        let (bytes, after) = rest.split_first_chunk::<4>()?;
        *rest = after;
        Some(u32::from_be_bytes(*bytes))
    };
    // Version, that of R, and the least that reads it; from version 3 on the name of an encoding.
    let [version, _, _] = [number(&mut rest)?, number(&mut rest)?, number(&mut rest)?];
    if version >= 3 {
        let length = number(&mut rest)? as usize;
        rest = rest.get(length..)?;
    }
    const CHARACTERS: u32 = 9;
    const STRINGS: u32 = 16;
    (number(&mut rest)? & 0xff == STRINGS).then_some(())?;
    let mut text = String::new();
    for _ in 0..number(&mut rest)? {
        (number(&mut rest)? & 0xff == CHARACTERS).then_some(())?;
        let length = number(&mut rest)? as usize;
        text += std::str::from_utf8(rest.get(..length)?).ok()?;
        text.push('\n');
        rest = &rest[length..];
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use std::io::Write;

    fn block(lines: &[&str]) -> Vec<u8> {
        let mut block = b"X\n".to_vec();
        for number in [3u32, 0x4_0201, 0x3_0500, 5] {
            block.extend(number.to_be_bytes());
        }
        block.extend(b"UTF-8");
        block.extend([16u32, lines.len() as u32].iter().flat_map(|n| n.to_be_bytes()));
        for line in lines {
            block.extend([0x4_0009, line.len() as u32].iter().flat_map(|n| n.to_be_bytes()));
            block.extend(line.bytes());
        }
        let mut packed = (block.len() as u32).to_be_bytes().to_vec();
        let mut encoder = ZlibEncoder::new(&mut packed, Compression::fast());
        encoder.write_all(&block).unwrap();
        encoder.finish().unwrap();
        packed
    }

    #[test]
    fn novels_come_in_the_order_of_their_years() {
        let database: Vec<u8> =
            NOVELS.iter().flat_map(|(title, _)| block(&[title, "£ 1", "", "end"])).collect();
        let [train, valid, test] = split(&database).unwrap();
        assert!(train.starts_with("SENSE AND SENSIBILITY\n£ 1\n\nend\nPRIDE"), "{train}");
        assert_eq!(test, "Persuasion\n£ 1\n\nend\n");
        assert!(
            format!("{train}{valid}").ends_with("EMMA\n£ 1\n\nend\nNORTHANGER ABBEY\n£ 1\n\nend\n")
        );
        for end in 0..database.len() {
            assert_eq!(split(&database[..end]), None);
        }
        let mut other = database;
        other[60] ^= 1;
        split(&other);
    }
}
