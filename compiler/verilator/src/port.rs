//! The ports of a design, as Verilator's header declares them.

use crate::Error;

/// A port of the top module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The port's name in the Verilog.
    pub name: String,
    /// The port's width in bits.
    pub bits: u32,
    /// The way the port goes.
    pub direction: Direction,
}

/// The way a port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The port leads into the design.
    Input,
    /// The port leads out of the design.
    Output,
    /// Both ways; Verilator has few of these, and a model neither sets nor reads them.
    Both,
}

/// An input of a design, to [set](crate::Model::set).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input(pub(crate) Place);

/// An output of a design, to [get](crate::Model::get).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output(pub(crate) Place);

/// A port by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub number: u32,
    pub bits: u32,
}

impl Place {
    /// Bytes of the C++ variable that Verilator makes of it.
    pub fn bytes(self) -> usize {
        match self.bits {
            0..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            33..=64 => 8,
            bits => 4 * bits.div_ceil(32) as usize,
        }
    }
}

pub(crate) fn input(ports: &[Port], name: &str) -> Result<Input, Error> {
    find(ports, name, Direction::Input, "input").map(Input)
}

pub(crate) fn output(ports: &[Port], name: &str) -> Result<Output, Error> {
    find(ports, name, Direction::Output, "output").map(Output)
}

fn find(ports: &[Port], name: &str, direction: Direction, word: &str) -> Result<Place, Error> {
    let all = || ports.iter().filter(|p| p.direction == direction);
    match ports.iter().position(|p| p.name == name && p.direction == direction) {
        Some(number) => Ok(Place { number: number as u32, bits: ports[number].bits }),
        None => {
            let names: Vec<&str> = all().map(|p| p.name.as_str()).collect();
            let names = if names.is_empty() { "none".into() } else { names.join(", ") };
            Err(Error::port(
                name,
                format_args!("is not an {word} of the design, which has {names}"),
            ))
        }
    }
}

/// The ports in the header of a verilated model, each with its name in the C++.
pub(crate) fn in_header(text: &str) -> Vec<(String, Port)> {
    text.lines().filter_map(|line| in_line(line.trim())).collect()
}

/// `VL_IN8(&name,7,0);`, `VL_OUTW(&name,287,0,9);` and the like.
fn in_line(line: &str) -> Option<(String, Port)> {
    let (kind, rest) = line.strip_prefix("VL_")?.split_once("(&")?;
    let direction = match kind.trim_end_matches(|c: char| c.is_ascii_digit() || c == 'W') {
        "IN" => Direction::Input,
        "OUT" => Direction::Output,
        "INOUT" => Direction::Both,
        _ => return None,
    };
    let mut parts = rest.strip_suffix(");")?.split(',');
    let name = parts.next()?.to_string();
    let (high, low): (u32, u32) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let bits = high.checked_sub(low)?.checked_add(1)?;
    Some((name.clone(), Port { name: plain(&name), bits, direction }))
}

/// The Verilog name: Verilator writes what C++ does not take, and two underlines in a row, as `__0`
/// and two hexadecimal digits.
fn plain(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("__0") {
        let code = rest.get(at + 3..at + 5).and_then(|code| u8::from_str_radix(code, 16).ok());
        let Some(code) = code else { break };
        text += &rest[..at];
        text.push(char::from(code));
        rest = &rest[at + 5..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_verilator_writes_them() {
        let text = "
    VL_IN8(&clk,0,0);
    VL_INOUT8(&z,0,0);
    VL_IN(&c,31,0);
    VL_OUTW(&y___05Fz,287,0,9);
    VL_IN64(&d,63,1);
    VL_IN8(&list,7,0)[3];
    CData/*0:0*/ __VactContinue;";
        let ports = in_header(text);
        let told: Vec<String> = ports
            .iter()
            .map(|(own, p)| format!("{own} {} {} {:?}", p.name, p.bits, p.direction))
            .collect();
        assert_eq!(
            told,
            [
                "clk clk 1 Input",
                "z z 1 Both",
                "c c 32 Input",
                "y___05Fz y__z 288 Output",
                "d d 63 Input"
            ]
        );
    }
}
