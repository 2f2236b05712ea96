//! Files that may be gzip-compressed.

use crate::error::{Error, Result};
use std::fmt::Display;
use std::io::Read;

/// The content of `bytes`, decompressed where they are gzip, plain otherwise; at most `limit`
/// bytes.
///
/// # Errors
/// Where the stream is damaged or its content longer than `limit`.
pub fn read(place: impl Display, bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut content = Vec::new();
    // One byte more than the limit is enough to see that it is exceeded: a bomb unpacks no further.
    flate2::read::MultiGzDecoder::new(&bytes[..])
        .take(limit as u64 + 1)
        .read_to_end(&mut content)
        .map_err(|e| Error::input(&place, format_args!("is a damaged gzip file: {e}")))?;
    if content.len() > limit {
        return Err(Error::input(place, format_args!("unpacks to more than {limit} bytes")));
    }
    Ok(content)
}
