//! Names of modules, and the words that tools reserve.
//!
//! A module's name is seen from everywhere in a design, so that a port, a wire, an instance or a
//! task of the same name hides it. No list could keep up with all that generated text, primitives
//! and testbench declare: the text itself is read.

use super::{File, PRIMITIVES, harness};
use rayon::prelude::*;
use std::collections::{BTreeSet, HashSet};
use strassenc_runtime::Result;

/// Module names of one core, each of them once and none of them reserved.
pub(super) struct Modules {
    taken: BTreeSet<String>,
}

impl Modules {
    /// No names but those of the primitives, of the harness and those to `avoid` are taken.
    pub fn new(avoid: &BTreeSet<String>) -> Self {
        let primitives = PRIMITIVES.iter().map(|(name, _)| (*name).into());
        let primitives = primitives.chain([harness::MODULE.into()]);
        Modules { taken: primitives.chain(avoid.iter().cloned()).collect() }
    }

    /// `wanted`, or, where that is reserved or taken, with `suffix` and a number as far as needed.
    pub fn take(&mut self, wanted: String, suffix: &str) -> String {
        let more = (0..).map(|n: u32| match n {
            0 => wanted.clone(),
            1 => format!("{wanted}_{suffix}"),
            n => format!("{wanted}_{suffix}_{n}"),
        });
        let free = |name: &String| !is_reserved(name) && !self.taken.contains(name);
        // There is no end of numbers, and only so many names are taken.
        let name = more.into_iter().find(free).expect("a free name");
        self.taken.insert(name.clone());
        name
    }
}

/// What `emit` makes with module names that nothing else in the text has; it is told the names to
/// avoid.
pub(super) fn unhidden<T>(
    emit: impl Fn(&BTreeSet<String>) -> Result<T>,
    files: impl Fn(&T) -> &[File],
) -> Result<T> {
    let mut avoid = BTreeSet::new();
    loop {
        let emitted = emit(&avoid)?;
        let hidden = hidden(files(&emitted));
        // No name of the next turn is one of those, so each turn adds to them.
        if hidden.is_empty() {
            return Ok(emitted);
        }
        avoid.extend(hidden);
    }
}

/// The names of our modules that stand for something else, too.
fn hidden(files: &[File]) -> BTreeSet<String> {
    let verilog =
        || files.iter().filter_map(|file| Some((file.path.strip_suffix(".v")?, &file.text)));
    let ours: HashSet<&str> = verilog()
        .map(|(module, _)| module)
        .filter(|module| PRIMITIVES.iter().all(|(primitive, _)| primitive != module))
        .collect();
    let texts: Vec<&String> = verilog().map(|(_, text)| text).collect();
    texts.into_par_iter().flat_map_iter(|text| others(text, &ours)).collect()
}

/// The ones of `names` that stand in the text as anything but the name of a module.
fn others(text: &str, names: &HashSet<&str>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut words = Words(text).peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let is_name = |next: &&str| next.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        // `module name`, `name instance (` and `name #(`; behind a colon stands the name of a
        // block.
        let is_module = |next: Option<&&str>| match next {
            _ if before == "module" => true,
            Some(next) => before != ":" && (*next == "#" || is_name(next) && !is_reserved(next)),
            None => false,
        };
        if names.contains(word) && !is_module(words.peek()) {
            found.insert(word.into());
        }
        before = word;
    }
    found
}

/// The words and signs of a Verilog text; numbers, strings, system tasks and comments are passed
/// over.
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            let text = self.0.trim_start();
            let first = text.chars().next()?;
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
            let word = text.find(|c| !in_word(c)).unwrap_or(text.len());
            let behind = |start: usize, end: &str| {
                text[start..].find(end).map_or(text.len(), |at| start + at + end.len())
            };
            let (taken, rest) = match first {
                _ if text.starts_with("//") => (None, behind(2, "\n")),
                _ if text.starts_with("/*") => (None, behind(2, "*/")),
                '"' => (None, behind(1, "\"")),
                '$' | '0'..='9' => (None, word),
                // The digits of a number, or the word of a directive.
                '\'' | '`' => (None, 1 + text[1..].find(|c| !in_word(c)).unwrap_or(text.len() - 1)),
                _ if word > 0 => (Some(&text[..word]), word),
                _ => (Some(&text[..first.len_utf8()]), first.len_utf8()),
            };
            self.0 = &text[rest..];
            if taken.is_some() {
                return taken;
            }
        }
    }
}

/// Whether Verilog, SystemVerilog, VHDL or the C++ that simulators write reserves the word.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Keywords of IEEE 1364-2005 and 1800-2023, then those of C++, then those of VHDL (IEEE
/// 1076-2019), sorted each.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "accept_on", "alias", "always", "always_comb", "always_ff", "always_latch", "and", "assert",
    "assign", "assume", "automatic", "before", "begin", "bind", "bins", "binsof", "bit", "break",
    "buf", "bufif0", "bufif1", "byte", "case", "casex", "casez", "cell", "chandle", "checker",
    "class", "clocking", "cmos", "config", "const", "constraint", "context", "continue", "cover",
    "covergroup", "coverpoint", "cross", "deassign", "default", "defparam", "design", "disable",
    "dist", "do", "edge", "else", "end", "endcase", "endchecker", "endclass", "endclocking",
    "endconfig", "endfunction", "endgenerate", "endgroup", "endinterface", "endmodule",
    "endpackage", "endprimitive", "endprogram", "endproperty", "endsequence", "endspecify",
    "endtable", "endtask", "enum", "event", "eventually", "expect", "export", "extends", "extern",
    "final", "first_match", "for", "force", "foreach", "forever", "fork", "forkjoin", "function",
    "generate", "genvar", "global", "highz0", "highz1", "if", "iff", "ifnone", "ignore_bins",
    "illegal_bins", "implements", "implies", "import", "incdir", "include", "initial", "inout",
    "input", "inside", "instance", "int", "integer", "interconnect", "interface", "intersect",
    "join", "join_any", "join_none", "large", "let", "liblist", "library", "local", "localparam",
    "logic", "longint", "macromodule", "matches", "medium", "modport", "module", "nand", "negedge",
    "nettype", "new", "nexttime", "nmos", "nor", "noshowcancelled", "not", "notif0", "notif1",
    "null", "or", "output", "package", "packed", "parameter", "pmos", "posedge", "primitive",
    "priority", "program", "property", "protected", "pull0", "pull1", "pulldown", "pullup",
    "pulsestyle_ondetect", "pulsestyle_onevent", "pure", "rand", "randc", "randcase",
    "randsequence", "rcmos", "real", "realtime", "ref", "reg", "reject_on", "release", "repeat",
    "restrict", "return", "rnmos", "rpmos", "rtran", "rtranif0", "rtranif1", "s_always",
    "s_eventually", "s_nexttime", "s_until", "s_until_with", "scalared", "sequence", "shortint",
    "shortreal", "showcancelled", "signed", "small", "soft", "solve", "specify", "specparam",
    "static", "string", "strong", "strong0", "strong1", "struct", "super", "supply0", "supply1",
    "sync_accept_on", "sync_reject_on", "table", "tagged", "task", "this", "throughout", "time",
    "timeprecision", "timeunit", "tran", "tranif0", "tranif1", "tri", "tri0", "tri1", "triand",
    "trior", "trireg", "type", "typedef", "union", "unique", "unique0", "unsigned", "until",
    "until_with", "untyped", "use", "uwire", "var", "vectored", "virtual", "void", "wait",
    "wait_order", "wand", "weak", "weak0", "weak1", "while", "wildcard", "wire", "with", "within",
    "wor", "xnor", "xor",
    // Verilog-AMS, as Icarus has it
    "wreal",
    // C++
    "alignas", "alignof", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "catch", "char",
    "char16_t", "char32_t", "char8_t", "co_await", "co_return", "co_yield", "compl", "concept",
    "const_cast", "consteval", "constexpr", "constinit", "decltype", "delete", "double",
    "dynamic_cast", "explicit", "false", "float", "friend", "goto", "inline", "long", "main",
    "mutable", "namespace", "noexcept", "not_eq", "nullptr", "operator", "or_eq", "private",
    "public", "register", "reinterpret_cast", "requires", "short", "sizeof", "static_assert",
    "static_cast", "std", "switch", "template", "thread_local", "throw", "true", "try", "typeid",
    "typename", "using", "volatile", "wchar_t", "xor_eq",
    // VHDL
    "abs", "access", "after", "alias", "all", "and", "architecture", "array", "assert", "assume",
    "assume_guarantee", "attribute", "begin", "block", "body", "buffer", "bus", "case", "component",
    "configuration", "constant", "context", "cover", "default", "disconnect", "downto", "else",
    "elsif", "end", "entity", "exit", "fairness", "file", "for", "force", "function", "generate",
    "generic", "group", "guarded", "if", "impure", "in", "inertial", "inout", "is", "label",
    "library", "linkage", "literal", "loop", "map", "mod", "nand", "new", "next", "nor", "not",
    "null", "of", "on", "open", "or", "others", "out", "package", "parameter", "port", "postponed",
    "private", "procedure", "process", "property", "protected", "pure", "range", "record",
    "register", "reject", "release", "rem", "report", "restrict", "restrict_guarantee", "return",
    "rol", "ror", "select", "sequence", "severity", "shared", "signal", "sla", "sll", "sra", "srl",
    "strong", "subtype", "then", "to", "transport", "type", "unaffected", "units", "until", "use",
    "variable", "view", "vmode", "vpkg", "vprop", "vunit", "wait", "when", "while", "with", "xnor",
    "xor",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_taken_names_get_a_suffix() {
        let mut modules = Modules::new(&BTreeSet::from(["rst".to_string()]));
        assert_eq!(modules.take("digits".into(), "core"), "digits");
        assert_eq!(modules.take("table".into(), "core"), "table_core");
        assert_eq!(modules.take("digits".into(), "core"), "digits_core");
        assert_eq!(modules.take("digits".into(), "core"), "digits_core_2");
        assert_eq!(
            modules.take("strassenc_multiplier".into(), "layer"),
            "strassenc_multiplier_layer"
        );
        assert_eq!(modules.take("namespace".into(), "core"), "namespace_core");
        assert_eq!(modules.take("entity".into(), "core"), "entity_core");
        assert_eq!(modules.take("rst".into(), "core"), "rst_core");
    }

    #[test]
    fn a_word_is_the_name_of_a_module_or_something_else() {
        let of_modules =
            "module a; b #(.X(8'ha)) c (.d(1'b0)); // a e\n f g (); $a; /* a */ \"a\" endmodule";
        let names = HashSet::from(["a", "b", "f"]);
        assert_eq!(others(of_modules, &names), BTreeSet::new());
        for text in [
            "wire a;",
            "b u (.a(1));",
            "b a (.c(1));",
            "begin : a b u (); end",
            "input wire a,",
            "task a;",
            "a <= 8'hff;",
            "x = y+a;",
            "parameter a=1",
            "(* a *)",
            "/**/a=\"//\"",
        ] {
            assert_eq!(others(text, &names), BTreeSet::from(["a".to_string()]), "{text}");
        }
    }
}
