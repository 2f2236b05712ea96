//! nextpnr: the clock that a core reaches on a part, and what bounds it.

use super::{Design, NETLIST, cached, key, run_yosys, script, texts};
use crate::device::{DEVICES, Device};
use crate::emit::harness;
use crate::tools::Tools;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};

/// What nextpnr found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// Name of the part.
    pub device: String,
    /// Version of nextpnr.
    pub nextpnr: String,
    /// Version of Yosys.
    pub yosys: String,
    /// The clock in MHz that was asked for.
    pub asked_mhz: f64,
    /// The clock in MHz that was reached.
    pub reached_mhz: f64,
    /// The slowest path between two registers, signal by signal; the last is the register at its
    /// end. Names are those of the emitted text, behind those of the instances that they lie in.
    pub path: Vec<Step>,
    /// The pipeline stage in which the path ends, where its last name has one.
    pub stage: Option<u32>,
    /// The nanoseconds of the path that are routing.
    pub routing_ns: f64,
    /// Every kind of cell that is used, the registers around the core included.
    pub utilisation: Vec<Use>,
    /// Registers around the core, through which its ports reach three pins.
    pub harness_flip_flops: usize,
    /// Seconds that Yosys and nextpnr took.
    pub seconds: f64,
}

/// A signal on a path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The signal's name.
    pub name: String,
    /// Nanoseconds of the logic that drives it and of its way to where it is read; at the end of a
    /// path, of the last logic and of the register's setup.
    pub ns: f64,
}

/// How many of a part's cells are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The kind, as nextpnr calls it.
    pub cell: String,
    /// How many are used.
    pub used: u64,
    /// How many there are.
    pub available: u64,
}

/// The harness's instance of the core.
const CORE: &str = "core.";

/// Synthesises, places and routes the design in `folder` on a part, for a clock of `mhz`. Minutes
/// for a small core, hours for a large one; the result is cached under the home folder by content,
/// versions, part and clock.
///
/// # Errors
/// Where nextpnr does not know the part or the core does not fit it, a tool is missing or fails, a
/// file cannot be read, or the user interrupts.
pub fn place<'a>(
    folder: &Path,
    design: impl Into<Design<'a>>,
    device: Device,
    mhz: f64,
    tools: &Tools,
) -> Result<Placement> {
    let design = design.into();
    let Some((program, options)) = device.part.and_then(|part| part.nextpnr) else {
        let can = DEVICES.iter().filter(|d| d.part.is_some_and(|part| part.nextpnr.is_some()));
        let names: Vec<&str> = can.map(|device| device.name).collect();
        let cause = "nextpnr places no such device here";
        return Err(Error::input(format_args!("--pnr {}", device.name), cause)
            .help(format_args!("it places {}", names.join(", "))));
    };
    let (yosys, nextpnr) = (tools.yosys()?, tools.nextpnr(program)?);
    let mut texts = texts(folder, &design)?;
    let harness = harness::around(design.top, design.ports)?;
    texts.push((harness.file.path.clone(), harness.file.text.into_bytes()));
    let files: Vec<String> = design.files.iter().cloned().chain([harness.file.path]).collect();
    let script = script(&files, harness::MODULE, device, true)?;
    let frequency = mhz.to_string();
    let versions = [&yosys.version, &nextpnr.version];
    let key =
        key(&["placement 1", device.name, &frequency, versions[0], versions[1], &script], &texts);
    cached(&tools.home().join("cache/pnr").join(key), || {
        let work = WorkFolder::new()?;
        let synthesis = run_yosys(&yosys, &script, &texts, work.path(), tools)?;
        files::write(&work.path().join("pins.cst"), harness::GOWIN_PINS.as_bytes())?;
        let spinner = tools.spinner(format!("nextpnr, {}", device.name));
        let mut command = nextpnr.command();
        command.current_dir(work.path()).args(options).args(["--json", NETLIST]);
        command.args(["--freq", &frequency, "--report", "report.json", "--timing-allow-fail"]);
        let run = tools.run_ok(&mut command);
        spinner.finish_and_clear();
        let run = run?;
        let report = files::read(&work.path().join("report.json"))?;
        let report: Report = serde_json::from_slice(&report).map_err(unreadable)?;
        let (reached_mhz, slowest) = report.slowest()?;
        let (path, routing_ns) = slowest.steps();
        Ok(Placement {
            device: device.name.into(),
            nextpnr: nextpnr.version.clone(),
            yosys: yosys.version.clone(),
            asked_mhz: mhz,
            reached_mhz,
            stage: path.last().and_then(|step| stage(&step.name)),
            path,
            routing_ns,
            utilisation: report.utilisation(),
            harness_flip_flops: harness.flip_flops,
            seconds: (synthesis.elapsed + run.elapsed).as_secs_f64(),
        })
    })
}

fn unreadable(cause: impl std::fmt::Display) -> Error {
    Error::tool("nextpnr", format_args!("its report cannot be read: {cause}"))
}

/// The report that nextpnr writes.
#[derive(Deserialize)]
struct Report {
    fmax: BTreeMap<String, Fmax>,
    critical_paths: Vec<Critical>,
    utilization: BTreeMap<String, Utilisation>,
}

#[derive(Deserialize)]
struct Fmax {
    achieved: f64,
}

#[derive(Deserialize)]
struct Utilisation {
    used: u64,
    available: u64,
}

#[derive(Deserialize)]
struct Critical {
    from: String,
    to: String,
    path: Vec<Segment>,
}

#[derive(Deserialize)]
struct Segment {
    delay: f64,
    to: Place,
    #[serde(default)]
    net: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    cell: String,
}

impl Report {
    /// The least clock of all, and the path that bounds it. There is one clock, whose name each
    /// family makes in its own way.
    fn slowest(&self) -> Result<(f64, &Critical)> {
        let clocks = self.fmax.iter().map(|(clock, fmax)| (fmax.achieved, clock));
        let (mhz, clock) = clocks.min_by(|a, b| a.0.total_cmp(&b.0)).ok_or_else(|| {
            Error::input("--pnr", "there is no way from one register to another to be timed")
                .help("what computes nothing, such as a matrix of zeros, has no clock")
        })?;
        let is_within = |event: &str| event.strip_suffix(clock.as_str()) == Some("posedge ");
        let path = self.critical_paths.iter().find(|p| is_within(&p.from) && is_within(&p.to));
        Ok((mhz, path.ok_or_else(|| unreadable("it has no path of its clock"))?))
    }

    fn utilisation(&self) -> Vec<Use> {
        let used = self.utilization.iter().filter(|(_, cells)| cells.used > 0);
        used.map(|(cell, &Utilisation { used, available })| Use {
            cell: cell.clone(),
            used,
            available,
        })
        .collect()
    }
}

impl Critical {
    /// The signals of the path, those of one name together, and the nanoseconds of routing.
    fn steps(&self) -> (Vec<Step>, f64) {
        let mut steps: Vec<Step> = vec![];
        let (mut since, mut routing) = (0.0, 0.0);
        let mut pass = |name: String, ns: f64| match steps.last_mut() {
            Some(last) if last.name == name => last.ns += ns,
            _ => steps.push(Step { name, ns }),
        };
        for segment in &self.path {
            since += segment.delay;
            if let Some(net) = &segment.net {
                routing += segment.delay;
                pass(emitted_name(net), std::mem::take(&mut since));
            }
        }
        if let Some(last) = self.path.last() {
            pass(emitted_name(&last.to.cell), since);
        }
        (steps, routing)
    }
}

/// The name in the emitted text from which a tool made the name of a net or a cell:
/// `u_layer_a.p5_wb_add_3` of `core.u_layer_a.p5_wb_add_3_SB_LUT4_I2_O[1]`. What tools append
/// begins with a capital, which no name of ours does behind a low line.
fn emitted_name(name: &str) -> String {
    let name = name.strip_prefix(CORE).unwrap_or(name);
    let last = name.rfind('.').map_or(0, |dot| dot + 1);
    let end = name[last..].char_indices().zip(name[last..].chars().skip(1)).find_map(
        |((at, c), next)| match c {
            '_' if next.is_ascii_uppercase() => Some(at),
            '[' | '$' if at > 0 => Some(at),
            _ => None,
        },
    );
    name[..end.map_or(name.len(), |end| last + end)].to_string()
}

/// The stage whose work ends in a register: `p5_…` stands at the end of stage 4.
fn stage(name: &str) -> Option<u32> {
    let own = name.rsplit('.').next()?.strip_prefix('p')?;
    own.split_once('_')?.0.parse::<u32>().ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_append_to_names_is_taken_off() {
        for (tool, ours) in [
            ("core.u_layer_a.p5_valid_SB_LUT4_I2_O[1]", "u_layer_a.p5_valid"),
            ("core.u_layer_a.multiplier_0.full_DFFE_Q_2_D_ALU_SUM", "u_layer_a.multiplier_0.full"),
            ("core.layer_a_data[17]", "layer_a_data"),
            ("serial_in$SB_IO_IN", "serial_in"),
            ("held_TRELLIS_FF_Q_1", "held"),
        ] {
            assert_eq!(emitted_name(tool), ours);
        }
        assert_eq!(stage("u_layer_a.p5_wb_add_3"), Some(4));
        assert_eq!(stage("u_layer_a.multiplier_0.full"), None);
    }

    #[test]
    fn the_slowest_path_is_told_signal_by_signal() {
        let report = r#"{
            "fmax": {"clk$g": {"achieved": 100.0, "constraint": 200}},
            "utilization": {"LC": {"used": 3, "available": 8}, "PLL": {"used": 0, "available": 1}},
            "critical_paths": [
                {"from": "<async>", "to": "posedge clk$g", "path": []},
                {"from": "posedge clk$g", "to": "posedge clk$g", "path": [
                    {"type": "clk-to-q", "delay": 0.5, "to": {"cell": "core.u.a_DFF"}},
                    {"type": "routing", "delay": 1.0, "to": {"cell": "x"}, "net": "core.u.a[1]"},
                    {"type": "logic", "delay": 0.25, "to": {"cell": "x"}},
                    {"type": "routing", "delay": 2.0, "to": {"cell": "y"}, "net": "core.u.p2_b_LUT4_O"},
                    {"type": "logic", "delay": 0.25, "to": {"cell": "y"}},
                    {"type": "routing", "delay": 0, "to": {"cell": "y"}, "net": "core.u.p2_b_LUT4_O_1"},
                    {"type": "setup", "delay": 6.0, "to": {"cell": "core.u.p2_b_DFF_Q"}}
                ]}
            ]
        }"#;
        let report: Report = serde_json::from_str(report).unwrap();
        let (mhz, path) = report.slowest().unwrap();
        let (steps, routing) = path.steps();
        let step = |name: &str, ns| Step { name: name.into(), ns };
        assert_eq!((mhz, routing), (100.0, 3.0));
        assert_eq!(steps, [step("u.a", 1.5), step("u.p2_b", 8.5)]);
        assert_eq!(report.utilisation().len(), 1);
    }
}
