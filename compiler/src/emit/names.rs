//! Names of modules, and the words that tools reserve.

use std::collections::BTreeSet;

/// Module names of one core, each of them once and none of them reserved.
pub(super) struct Modules {
    taken: BTreeSet<String>,
}

impl Modules {
    /// With the primitives' names taken.
    pub fn new(primitives: impl IntoIterator<Item = &'static str>) -> Self {
        Modules { taken: primitives.into_iter().map(Into::into).collect() }
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

/// Whether Verilog, SystemVerilog or the C++ that simulators write reserves the word.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Keywords of IEEE 1364-2005 and 1800-2023, then those of C++, sorted each.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "accept_on", "alias", "always", "always_comb", "always_ff", "always_latch", "and", "assert", "assign", "assume",
    "automatic", "before", "begin", "bind", "bins", "binsof", "bit", "break", "buf", "bufif0", "bufif1", "byte", "case",
    "casex", "casez", "cell", "chandle", "checker", "class", "clocking", "cmos", "config", "const", "constraint", "context",
    "continue", "cover", "covergroup", "coverpoint", "cross", "deassign", "default", "defparam", "design", "disable", "dist",
    "do", "edge", "else", "end", "endcase", "endchecker", "endclass", "endclocking", "endconfig", "endfunction",
    "endgenerate", "endgroup", "endinterface", "endmodule", "endpackage", "endprimitive", "endprogram", "endproperty",
    "endsequence", "endspecify", "endtable", "endtask", "enum", "event", "eventually", "expect", "export", "extends",
    "extern", "final", "first_match", "for", "force", "foreach", "forever", "fork", "forkjoin", "function", "generate",
    "genvar", "global", "highz0", "highz1", "if", "iff", "ifnone", "ignore_bins", "illegal_bins", "implements", "implies",
    "import", "incdir", "include", "initial", "inout", "input", "inside", "instance", "int", "integer", "interconnect",
    "interface", "intersect", "join", "join_any", "join_none", "large", "let", "liblist", "library", "local", "localparam",
    "logic", "longint", "macromodule", "matches", "medium", "modport", "module", "nand", "negedge", "nettype", "new",
    "nexttime", "nmos", "nor", "noshowcancelled", "not", "notif0", "notif1", "null", "or", "output", "package", "packed",
    "parameter", "pmos", "posedge", "primitive", "priority", "program", "property", "protected", "pull0", "pull1",
    "pulldown", "pullup", "pulsestyle_ondetect", "pulsestyle_onevent", "pure", "rand", "randc", "randcase", "randsequence",
    "rcmos", "real", "realtime", "ref", "reg", "reject_on", "release", "repeat", "restrict", "return", "rnmos", "rpmos",
    "rtran", "rtranif0", "rtranif1", "s_always", "s_eventually", "s_nexttime", "s_until", "s_until_with", "scalared",
    "sequence", "shortint", "shortreal", "showcancelled", "signed", "small", "soft", "solve", "specify", "specparam",
    "static", "string", "strong", "strong0", "strong1", "struct", "super", "supply0", "supply1", "sync_accept_on",
    "sync_reject_on", "table", "tagged", "task", "this", "throughout", "time", "timeprecision", "timeunit", "tran",
    "tranif0", "tranif1", "tri", "tri0", "tri1", "triand", "trior", "trireg", "type", "typedef", "union", "unique",
    "unique0", "unsigned", "until", "until_with", "untyped", "use", "uwire", "var", "vectored", "virtual", "void", "wait",
    "wait_order", "wand", "weak", "weak0", "weak1", "while", "wildcard", "wire", "with", "within", "wor", "xnor", "xor",
    // C++
    "alignas", "alignof", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "catch", "char", "char16_t", "char32_t",
    "char8_t", "co_await", "co_return", "co_yield", "compl", "concept", "const_cast", "consteval", "constexpr", "constinit",
    "decltype", "delete", "double", "dynamic_cast", "explicit", "false", "float", "friend", "goto", "inline", "long", "main",
    "mutable", "namespace", "noexcept", "not_eq", "nullptr", "operator", "or_eq", "private", "public", "register",
    "reinterpret_cast", "requires", "short", "sizeof", "static_assert", "static_cast", "std", "switch", "template",
    "thread_local", "throw", "true", "try", "typeid", "typename", "using", "volatile", "wchar_t", "xor_eq",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_and_taken_names_get_a_suffix() {
        let mut modules = Modules::new(["strassenc_multiplier"]);
        assert_eq!(modules.take("digits".into(), "core"), "digits");
        assert_eq!(modules.take("table".into(), "core"), "table_core");
        assert_eq!(modules.take("digits".into(), "core"), "digits_core");
        assert_eq!(modules.take("digits".into(), "core"), "digits_core_2");
        assert_eq!(modules.take("strassenc_multiplier".into(), "layer"), "strassenc_multiplier_layer");
        assert_eq!(modules.take("namespace".into(), "core"), "namespace_core");
    }
}
