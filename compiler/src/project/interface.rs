//! The ports of a core as what tools take them for: a clock, a reset, buses, and the rest.

use crate::emit::signature::{Direction, INPUT, OUTPUT, Port, head, input};

/// The ports of a core, each in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// The clock, which all others belong to; none of a core without registers.
    pub clock: Option<&'a Port>,
    /// The reset, active low.
    pub reset: Option<&'a Port>,
    /// The clock's enable.
    pub enable: Option<&'a Port>,
    /// What belongs together.
    pub buses: Vec<Bus<'a>>,
    /// All others.
    pub others: Vec<&'a Port>,
}

/// A bus of the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bus<'a> {
    /// What its ports' names begin with: `s_axis`.
    pub name: &'a str,
    /// Its protocol.
    pub kind: BusKind,
    /// The core's side of it.
    pub role: Role,
    /// Its signals, in the order of the ports.
    pub signals: Vec<Signal<'a>>,
}

/// The protocol of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// AXI4-Stream.
    Stream,
    /// AXI4-Lite.
    Lite,
}

/// A side of a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It begins transfers.
    Master,
    /// It answers.
    Slave,
}

/// A signal of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal<'a> {
    /// What its standard calls it: `TDATA`.
    pub logical: String,
    /// The port that it is.
    pub port: &'a Port,
}

/// The bus that a port is of, and its name there: those of streams begin with `t`, and none of them
/// has an underscore.
fn bus(port: &str) -> Option<(&str, &str, BusKind, Role)> {
    let (bus, signal) = port.rsplit_once('_')?;
    let (kind, role) = match bus {
        "s_axi_control" => (BusKind::Lite, Role::Slave),
        _ if bus == INPUT || bus.starts_with(&input("")) => (BusKind::Stream, Role::Slave),
        _ if bus == OUTPUT || bus.starts_with(&head("")) => (BusKind::Stream, Role::Master),
        _ => return None,
    };
    Some((bus, signal, kind, role))
}

impl<'a> Interface<'a> {
    /// The ports of a core by their names.
    pub fn new(ports: &'a [Port]) -> Self {
        let mut interface =
            Interface { clock: None, reset: None, enable: None, buses: vec![], others: vec![] };
        for port in ports {
            match port.name.as_str() {
                "aclk" | "clk" => interface.clock = Some(port),
                "aresetn" => interface.reset = Some(port),
                "aclken" | "clken" => interface.enable = Some(port),
                _ => interface.place(port),
            }
        }
        interface
    }

    fn place(&mut self, port: &'a Port) {
        let Some((name, signal, kind, role)) = bus(&port.name) else {
            self.others.push(port);
            return;
        };
        let signal = Signal { logical: signal.to_uppercase(), port };
        match self.buses.iter_mut().find(|bus| bus.name == name) {
            Some(bus) => bus.signals.push(signal),
            None => self.buses.push(Bus { name, kind, role, signals: vec![signal] }),
        }
    }

    /// The ports that are neither a clock, a reset nor of a bus.
    pub fn conduits(&self) -> impl Iterator<Item = &'a Port> {
        self.enable.into_iter().chain(self.others.iter().copied())
    }

    /// Whether a port is the clock's enable, which is high where nobody drives it.
    pub fn is_enable(&self, port: &Port) -> bool {
        self.enable == Some(port)
    }

    /// The names of all buses with a sign between them, as tools tell which of them a clock drives.
    pub fn bus_names(&self, between: &str) -> String {
        self.buses.iter().map(|bus| bus.name).collect::<Vec<_>>().join(between)
    }
}

impl Bus<'_> {
    /// The bits of a signal, by its name in the standard; 0 where the bus has none.
    pub fn bits(&self, logical: &str) -> u32 {
        let found = self.signals.iter().find(|signal| signal.logical == logical);
        found.map_or(0, |signal| signal.port.bits)
    }
}

impl Port {
    /// Whether it is driven from outside.
    pub fn enters(&self) -> bool {
        self.direction == Direction::Input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_is_in_one_place() {
        let port = |name: &str| Port { name: name.into(), direction: Direction::Input, bits: 1 };
        let names = ["aclk", "aresetn", "s_axis_tdata", "s_axis_tvalid", "m_axis_tdata"];
        let others = ["s_axi_control_awaddr", "frame_error", "s_axis_age_tdata"];
        let names = [&names[..], &others].concat();
        let ports: Vec<Port> = names.into_iter().map(port).collect();
        let interface = Interface::new(&ports);
        assert_eq!((interface.clock, interface.reset), (Some(&ports[0]), Some(&ports[1])));
        assert_eq!(interface.bus_names(":"), "s_axis:m_axis:s_axi_control:s_axis_age");
        assert_eq!(interface.buses[3].role, Role::Slave);
        assert_eq!([interface.buses[0].bits("TVALID"), interface.buses[0].bits("TLAST")], [1, 0]);
        assert_eq!(interface.buses[2].signals[0].logical, "AWADDR");
        assert_eq!(interface.others, [&ports[6]]);
    }
}
