//! Thrift's compact protocol, in which a Parquet file describes itself.

/// The deepest nesting; Parquet's own is half of that.
const DEPTH: u32 = 16;

/// A value as it is written; what it means is known to who asks for it.
#[derive(Debug)]
pub enum Value<'a> {
    /// A number or a truth value; a double is 0, since none is asked for.
    Number(i64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    /// Fields by their numbers.
    Struct(Vec<(i64, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The struct that `bytes` begin with, and what stands behind it; none where that is none.
    pub fn read(bytes: &'a [u8]) -> Option<(Value<'a>, &'a [u8])> {
        let mut rest = bytes;
        let value = structure(&mut rest, DEPTH)?;
        Some((value, rest))
    }

    /// A field of a struct.
    pub fn field(&self, number: i64) -> Option<&Value<'a>> {
        let Value::Struct(fields) = self else { return None };
        fields.iter().find(|(n, _)| *n == number).map(|(_, value)| value)
    }

    /// A field that is a number.
    pub fn number(&self, number: i64) -> Option<i64> {
        match self.field(number)? {
            Value::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// A field that is a size.
    pub fn size(&self, number: i64) -> Option<usize> {
        self.number(number).and_then(|n| n.try_into().ok())
    }

    /// A field that is a text.
    pub fn text(&self, number: i64) -> Option<&'a str> {
        match self.field(number)? {
            Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A field that is a list.
    pub fn list(&self, number: i64) -> Option<&[Value<'a>]> {
        match self.field(number)? {
            Value::List(all) => Some(all),
            _ => None,
        }
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    rest.split_off_first().copied()
}

/// A number of seven bits a byte, the lowest first.
pub fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let b = byte(rest)?;
        n |= u64::from(b & 0x7f) << shift;
        if b < 0x80 {
            return Some(n);
        }
    }
    None
}

/// A number whose sign is its lowest bit.
fn signed(rest: &mut &[u8]) -> Option<i64> {
    let n = varint(rest)?;
    Some((n >> 1) as i64 ^ -((n & 1) as i64))
}

/// The value of a type by its number; in a field, truth values are types.
fn value<'a>(rest: &mut &'a [u8], kind: u8, depth: u32) -> Option<Value<'a>> {
    Some(match kind {
        1 | 2 => Value::Number(i64::from(kind == 1)),
        3 => Value::Number(i64::from(byte(rest)? as i8)),
        4..=6 => Value::Number(signed(rest)?),
        7 => {
            rest.split_off(..8)?;
            Value::Number(0)
        }
        8 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Value::Bytes(rest.split_off(..length)?)
        }
        9 | 10 => {
            let head = byte(rest)?;
            let length = if head >> 4 == 15 { varint(rest)? } else { u64::from(head >> 4) };
            let mut all = vec![];
            // Every element takes a byte at least.
            for _ in 0..length {
                all.push(match head & 15 {
                    1 | 2 => Value::Number(i64::from(byte(rest)? == 1)),
                    kind => value(rest, kind, depth.checked_sub(1)?)?,
                });
            }
            Value::List(all)
        }
        12 => structure(rest, depth.checked_sub(1)?)?,
        // Parquet has no maps.
        _ => return None,
    })
}

fn structure<'a>(rest: &mut &'a [u8], depth: u32) -> Option<Value<'a>> {
    let (mut fields, mut number) = (vec![], 0i64);
    loop {
        let head = byte(rest)?;
        if head == 0 {
            return Some(Value::Struct(fields));
        }
        number = match head >> 4 {
            0 => signed(rest)?,
            delta => number.checked_add(i64::from(delta))?,
        };
        fields.push((number, value(rest, head & 15, depth)?));
    }
}
