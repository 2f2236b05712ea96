//! What stands at the core's ports: frames are made whole, gathered, and marked.

use super::width::Gather;
use super::{Around, Ends, Part, Size, State, counter};
use crate::emit::signature::Frames;

/// Makes every frame whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Framer;

/// The beats of a frame to one word; a frame that is not whole is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// Beats of a frame.
    pub beats: usize,
}

/// Marks the last word of a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameEnd;

/// The parameter of a primitive where frames are counted: then nothing says that one is not whole.
fn by_count(frames: Frames) -> &'static str {
    if frames == Frames::Count { ", .BY_COUNT(1)" } else { "" }
}

fn error_ports(s: &str, frames: Frames) -> (String, Option<String>) {
    match frames {
        Frames::Tlast => (
            format!(
                ".s_last({s}_last), .frame_error_clear(frame_error_clear), \
                 .frame_error(frame_error)"
            ),
            None,
        ),
        Frames::Count => {
            let unused = "frame_error_unused".to_string();
            (
                format!(".s_last(1'b0), .frame_error_clear(1'b0), .frame_error({unused})"),
                Some(unused),
            )
        }
    }
}

impl Part for Framer {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_framer"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, _: &Ends) -> String {
        "Input: every frame made whole".into()
    }

    fn parameters(&self, ends: &Ends, frames: Frames) -> String {
        format!(".BITS({}), .BEATS({}){}", ends.x().bits(), ends.x().words, by_count(frames))
    }

    fn ports(&self, s: &str, _: &str, frames: Frames) -> Option<(String, Option<String>)> {
        Some(error_ports(s, frames))
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Through)
    }

    fn size(&self, ends: &Ends) -> Size {
        Size::new(3, counter(ends.x().words), ends.x().bits())
    }
}

impl Part for Collector {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_collector"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        let (x, z) = (ends.x(), ends.z());
        vec![[x.words, self.beats], [z.words, 1], [z.lanes.div_ceil(x.lanes), self.beats]]
    }

    fn banner(&self, _: &Ends) -> String {
        match self.beats {
            1 => "Input: frames that are not whole are dropped".into(),
            beats => format!("Input: {beats} beats of a frame to one word"),
        }
    }

    fn parameters(&self, ends: &Ends, frames: Frames) -> String {
        let (beat, word) = (ends.x().bits(), ends.z().bits());
        format!(".BEAT_BITS({beat}), .BEATS({}), .BITS({word}){}", self.beats, by_count(frames))
    }

    fn ports(&self, s: &str, _: &str, frames: Frames) -> Option<(String, Option<String>)> {
        Some(error_ports(s, frames))
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Gather::new(self.beats))
    }

    fn size(&self, ends: &Ends) -> Size {
        let user = usize::from(self.beats > 1);
        Size::new((self.beats - 1) * ends.x().bits() + user + 2, counter(self.beats), 0)
    }
}

impl Part for FrameEnd {
    fn modules(&self) -> &'static [&'static str] {
        &["strassenc_frame_end"]
    }

    fn fits(&self, ends: &Ends) -> Vec<[usize; 2]> {
        ends.same()
    }

    fn banner(&self, _: &Ends) -> String {
        "Output: the last word of each frame marked".into()
    }

    fn parameters(&self, ends: &Ends, _: Frames) -> String {
        format!(".BITS({}), .BEATS({})", ends.x().bits(), ends.x().words)
    }

    fn ports(&self, _: &str, m: &str, _: Frames) -> Option<(String, Option<String>)> {
        Some((format!(".m_last({m}_last)"), Some(format!("{m}_last"))))
    }

    fn state(&self, _: &Ends) -> Box<dyn State> {
        Box::new(Through)
    }

    fn size(&self, ends: &Ends) -> Size {
        Size::new(0, counter(ends.x().words), 0)
    }
}

/// Combinational, and without memory that matters here.
struct Through;

impl State for Through {
    fn valid(&self, around: &Around) -> [bool; 2] {
        [around.s[0].valid, false]
    }

    fn ready(&self, around: &Around) -> [bool; 2] {
        [around.m[0].ready, false]
    }

    fn step(&mut self, around: &Around) -> bool {
        around.accept()
    }
}
