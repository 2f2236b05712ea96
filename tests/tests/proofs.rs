//! What holds of primitives for every input and for ever: streams lose, double, change and overtake
//! nothing, whoever stalls and whenever reset or `clken` comes; what is mapped by hand is what it
//! says.
//!
//! A harness of `hw/formal/` says what must hold of a primitive. Yosys makes one bit of it, `bad`,
//! and ABC's property-directed reachability proves that this never rises, or finds out how it does.
//! Each harness must refute a primitive that was made wrong.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::path::Path;
use strassenc::tools::{Component, Tools};

fn tools() -> Tools {
    let tools = strassenc_tests::tools();
    tools.install(Component::named("yosys").unwrap()).unwrap();
    tools
}

fn hw(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw").join(path);
    std::fs::read_to_string(path).unwrap()
}

/// What is proved of a primitive.
struct Proof {
    /// Its name, `hw/formal/prove_NAME.v` its harness.
    name: &'static str,
    /// What it instantiates.
    parts: &'static [&'static str],
    /// The parameters that it is proved for.
    parameters: &'static [&'static str],
    /// Faults that must be found, each with one of those parameters.
    faults: &'static [Fault],
}

struct Fault {
    parameters: &'static str,
    from: &'static str,
    to: &'static str,
}

const PROOFS: &[Proof] = &[
    Proof {
        name: "segment",
        parts: &["fifo"],
        parameters: &[
            "-set STAGES 1 -set DEPTH 1",
            "-set STAGES 1 -set DEPTH 2",
            "-set STAGES 2 -set DEPTH 3",
            "-set STAGES 3 -set DEPTH 1",
            "-set STAGES 3 -set DEPTH 2",
            "-set STAGES 3 -set DEPTH 4",
            "-set STAGES 4 -set DEPTH 4",
            "-set STAGES 3 -set DEPTH 2 -set INTERVAL 3",
        ],
        faults: &[
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 2 -set INTERVAL 3",
                from: "REST      = INTERVAL - 1",
                to: "REST      = INTERVAL - 2",
            },
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 2",
                from: "LAST       = DEPTH - 1;",
                to: "LAST       = DEPTH;",
            },
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 4",
                from: "arrives = next_valids[STAGES-1]",
                to: "arrives = next_valids[STAGES-2]",
            },
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 4",
                from: "if (clken) users",
                to: "if (s_valid) users",
            },
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 4",
                from: "!(accepted | count[COUNT_BITS-1])",
                to: "1'b1",
            },
            Fault {
                parameters: "-set STAGES 3 -set DEPTH 4",
                from: "one_free = accepted ?",
                to: "one_free = 1'b0 ?",
            },
        ],
    },
    Proof {
        name: "fifo",
        parts: &[],
        parameters: &[
            "-set DEPTH 1",
            "-set DEPTH 2",
            "-set DEPTH 3",
            "-set DEPTH 5",
            "-set AT_ONCE 1 -set DEPTH 2",
            "-set AT_ONCE 1 -set DEPTH 3",
            "-set AT_ONCE 1 -set DEPTH 5",
        ],
        faults: &[
            Fault {
                parameters: "-set DEPTH 3",
                from: "LAST       = DEPTH - 1;",
                to: "LAST       = DEPTH;",
            },
            Fault {
                parameters: "-set AT_ONCE 1 -set DEPTH 3",
                from: "fresh   <= !m_valid | (take & only_one);",
                to: "fresh   <= !m_valid;",
            },
        ],
    },
    Proof {
        name: "stream_register",
        parts: &[],
        parameters: &["-set ENTRIES 1", "-set ENTRIES 2"],
        faults: &[
            Fault {
                parameters: "-set ENTRIES 1",
                from: "clken & front_free) front <=",
                to: "clken & s_valid) front <=",
            },
            Fault {
                parameters: "-set ENTRIES 2",
                from: "if (ready) spare",
                to: "if (!front_free) spare",
            },
        ],
    },
    Proof {
        name: "fork",
        parts: &[],
        parameters: &[""],
        faults: &[Fault {
            parameters: "",
            from: "a_done <= (a_done | a_ready) & !s_ready;",
            to: "a_done <= a_ready & !s_ready;",
        }],
    },
    Proof {
        name: "collector",
        parts: &[],
        parameters: &[
            "-set BEATS 1",
            "-set BEATS 2",
            "-set BEATS 3",
            "-set BEATS 3 -set BY_COUNT 1",
            "-set BEATS 4",
        ],
        faults: &[Fault {
            parameters: "-set BEATS 3",
            from: "dropping <= !last & (dropping | at_last);",
            to: "dropping <= !last & at_last;",
        }],
    },
    Proof {
        name: "serialiser",
        parts: &[],
        parameters: &["-set BEATS 1", "-set BEATS 2", "-set BEATS 3", "-set BEATS 4"],
        faults: &[Fault {
            parameters: "-set BEATS 3",
            from: "s_ready = m_ready & m_last;",
            to: "s_ready = m_last;",
        }],
    },
    Proof {
        name: "frame_end",
        parts: &[],
        parameters: &["-set BEATS 1", "-set BEATS 2", "-set BEATS 3", "-set BEATS 4"],
        faults: &[Fault {
            parameters: "-set BEATS 3",
            from: "else if (clken & s_valid & m_ready)",
            to: "else if (clken & m_ready)",
        }],
    },
    Proof {
        name: "control",
        parts: &[],
        parameters: &["-set OUTPUTS 1", "-set OUTPUTS 2"],
        faults: &[
            Fault {
                parameters: "-set OUTPUTS 1",
                from: "writes | (bvalid & !bready)",
                to: "writes",
            },
            Fault { parameters: "-set OUTPUTS 1", from: "!reading & arvalid", to: "arvalid" },
            Fault { parameters: "-set OUTPUTS 1", from: "(at_last & !dropping)", to: "at_last" },
            Fault {
                parameters: "-set OUTPUTS 1",
                from: "TABLE_WORDS != 0 & !loading",
                to: "TABLE_WORDS != 0",
            },
            Fault {
                parameters: "-set OUTPUTS 2",
                from: "clken & ends[output_number] != leaves",
                to: "clken & ends[output_number]",
            },
        ],
    },
    Proof {
        name: "reload",
        parts: &[],
        parameters: &["-set BITS 1", "-set BITS 3", "-set BITS 34"],
        faults: &[
            Fault { parameters: "-set BITS 3", from: "hold & empty &", to: "hold &" },
            Fault { parameters: "-set BITS 3", from: "loading & between", to: "loading" },
            Fault {
                parameters: "-set BITS 34",
                from: "is_low & address == {ADDRESS_BITS{1'b0}}",
                to: "is_low",
            },
        ],
    },
    Proof {
        name: "loaded_memory",
        parts: &["reload"],
        parameters: &["", "-set BITS 1 -set DEPTH 4", "-set BITS 3 -set DEPTH 1 -set REST 1"],
        faults: &[
            Fault { parameters: "", from: "shift & enters & !full", to: "shift & enters" },
            Fault { parameters: "", from: "at   <= LAST_BIT", to: "at   <= at & LAST_BIT" },
        ],
    },
    Proof {
        name: "framer",
        parts: &[],
        parameters: &[
            "-set BEATS 1",
            "-set BEATS 2",
            "-set BEATS 3",
            "-set BEATS 3 -set BY_COUNT 1",
            "-set BEATS 4",
        ],
        faults: &[Fault {
            parameters: "-set BEATS 3",
            from: "filling  <= (filling | last) & !at_last;",
            to: "filling  <= last & !at_last;",
        }],
    },
    Proof {
        name: "widen",
        parts: &[],
        parameters: &["-set WORDS 1", "-set WORDS 2", "-set WORDS 3", "-set WORDS 4"],
        faults: &[Fault {
            parameters: "-set WORDS 3",
            from: "if (clken & accept) stored <= {",
            to: "if (clken & s_valid) stored <= {",
        }],
    },
    Proof {
        name: "repack",
        parts: &[],
        parameters: &[
            "-set FROM 1 -set TO 2 -set ELEMENTS 3",
            "-set FROM 2 -set TO 3 -set ELEMENTS 7",
            "-set FROM 3 -set TO 2 -set ELEMENTS 5",
            "-set FROM 4 -set TO 2 -set ELEMENTS 6 -set UNIT 2",
        ],
        faults: &[Fault {
            parameters: "-set FROM 3 -set TO 2 -set ELEMENTS 5",
            from: "at_last ? s_data & OF_TAIL : s_data",
            to: "s_data",
        }],
    },
    Proof {
        name: "concat",
        parts: &[],
        parameters: &[
            "-set TOGETHER 1",
            "-set A_WORDS 1 -set B_WORDS 1",
            "-set A_WORDS 2 -set B_WORDS 1",
            "-set A_WORDS 1 -set B_WORDS 3",
        ],
        faults: &[Fault {
            parameters: "-set A_WORDS 2 -set B_WORDS 1",
            from: "assign b_ready = advance & of_b;",
            to: "assign b_ready = of_b;",
        }],
    },
    Proof {
        name: "lookup",
        parts: &[],
        parameters: &[
            "-set INDEX_BITS 2 -set ROWS 3 -set WORDS 3",
            "-set INDEX_BITS 2 -set ROWS 4 -set WORDS 2",
            "-set INDEX_BITS 1 -set ROWS 5 -set WORDS 1",
        ],
        faults: &[Fault {
            parameters: "-set INDEX_BITS 2 -set ROWS 3 -set WORDS 3",
            from: "assign s_ready       = advance & last;",
            to: "assign s_ready       = advance;",
        }],
    },
    Proof {
        name: "recall",
        parts: &["starts"],
        parameters: &[
            "-set X_WORDS 1 -set H_WORDS 1",
            "-set X_WORDS 2 -set H_WORDS 1 -set STEPS 3",
            "-set X_WORDS 1 -set H_WORDS 3 -set STEPS 1",
        ],
        faults: &[Fault {
            parameters: "-set X_WORDS 2 -set H_WORDS 1",
            from: "h_ready = m_ready & of_h & !fresh;",
            to: "h_ready = m_ready & of_h;",
        }],
    },
    Proof {
        name: "last",
        parts: &[],
        parameters: &[
            "-set PIXELS 1 -set WORDS 2",
            "-set PIXELS 3 -set WORDS 1",
            "-set PIXELS 2 -set WORDS 3",
        ],
        faults: &[Fault {
            parameters: "-set PIXELS 2 -set WORDS 3",
            from: "assign s_ready = m_ready | !shown;",
            to: "assign s_ready = m_ready;",
        }],
    },
    Proof {
        name: "reverse",
        parts: &[],
        parameters: &[
            "-set PIXELS 1 -set WORDS 1",
            "-set PIXELS 1 -set WORDS 2",
            "-set PIXELS 2 -set WORDS 1",
            "-set PIXELS 3 -set WORDS 1",
            "-set PIXELS 2 -set WORDS 2",
        ],
        faults: &[
            Fault {
                parameters: "-set PIXELS 2 -set WORDS 1",
                from: "assign s_ready = count != ALL[COUNT_BITS-1:0];",
                to: "assign s_ready = 1'b1;",
            },
            Fault {
                parameters: "-set PIXELS 2 -set WORDS 1",
                from: "pixel_read & (read_up == frame_read);",
                to: "pixel_read & !read_up;",
            },
        ],
    },
    Proof {
        name: "patches",
        parts: &[],
        parameters: &[
            "-set P_H 1 -set P_W 2 -set HEIGHT 1 -set WIDTH 2",
            "-set P_H 2 -set P_W 1 -set HEIGHT 2 -set WIDTH 2",
            "-set P_H 2 -set P_W 2 -set HEIGHT 1 -set WIDTH 1",
            "-set P_H 1 -set P_W 1 -set HEIGHT 1 -set WIDTH 1 -set WORDS 2",
        ],
        faults: &[
            Fault {
                parameters: "-set P_H 2 -set P_W 1 -set HEIGHT 2 -set WIDTH 2",
                from: "assign s_ready = !stripes[1];",
                to: "assign s_ready = 1'b1;",
            },
            Fault {
                parameters: "-set P_H 2 -set P_W 1 -set HEIGHT 2 -set WIDTH 2",
                from: "stripes != 2'd0 | read_column < patches;",
                to: "stripes != 2'd0 | read_column <= patches;",
            },
        ],
    },
    Proof {
        name: "positions",
        parts: &[],
        parameters: &[
            "-set CHARACTERS 1 -set TAPS 1 -set POSITIONS 1",
            "-set CHARACTERS 2 -set TAPS 2 -set POSITIONS 2",
        ],
        faults: &[Fault {
            parameters: "-set CHARACTERS 2 -set TAPS 2 -set POSITIONS 2",
            from: "assign s_ready = !frames[1];",
            to: "assign s_ready = 1'b1;",
        }],
    },
    Proof {
        name: "reader",
        parts: &["rows"],
        parameters: &[
            "-set HEIGHT 1 -set ROWS 1 -set WIDTH 1 -set COLUMNS 1 -set WORDS 2 -set REPEATS 2 \
             -set ROUNDS 2",
            "-set HEIGHT 1 -set ROWS 1 -set WIDTH 2 -set COLUMNS 2 -set K_W 2 -set PAD_W 1",
            "-set HEIGHT 2 -set ROWS 2 -set WIDTH 1 -set COLUMNS 1 -set K_H 2 -set PAD_H 1",
            "-set HEIGHT 2 -set ROWS 1 -set WIDTH 1 -set COLUMNS 1 -set STRIDE_H 2",
            "-set HEIGHT 1 -set ROWS 1 -set WIDTH 2 -set COLUMNS 2 -set AGAIN 2",
        ],
        faults: &[
            Fault {
                parameters: "-set HEIGHT 2 -set ROWS 1 -set WIDTH 1 -set COLUMNS 1 -set STRIDE_H 2",
                from: "assign whole   = !surplus[ROW_BITS-1];",
                to: "assign whole   = !surplus[ROW_BITS-1] | forming;",
            },
            Fault {
                parameters: "-set HEIGHT 2 -set ROWS 2 -set WIDTH 1 -set COLUMNS 1 -set AGAIN 2",
                from: "assign next = advance & issue & rows_end;",
                to: "assign next = advance & issue & row_end;",
            },
        ],
    },
    Proof {
        name: "window",
        parts: &["rows"],
        parameters: &[
            "-set K_W 1 -set COLUMNS 2",
            "-set K_W 2 -set COLUMNS 1",
            "-set K_W 2 -set PAD_W 1 -set COLUMNS 2",
            "-set HEIGHT 2 -set WIDTH 1 -set COLUMNS 1 -set K_H 2 -set ROWS 1",
        ],
        faults: &[Fault {
            parameters: "-set K_W 2 -set PAD_W 1 -set COLUMNS 2",
            from: "forming & !ahead[PUSH_BITS] & (!at_start",
            to: "forming & (!at_start",
        }],
    },
    Proof {
        name: "add",
        parts: &[],
        parameters: &[""],
        faults: &[
            Fault {
                parameters: "",
                from: "assign b_ready = advance & a_valid;",
                to: "assign b_ready = advance;",
            },
            Fault { parameters: "", from: "m_user   <= sum_user;", to: "m_user   <= a_user;" },
        ],
    },
    Proof {
        name: "accumulate",
        parts: &[],
        parameters: &[
            "-set MAXIMUM 0 -set COUNT 1",
            "-set MAXIMUM 0 -set COUNT 3",
            "-set MAXIMUM 1 -set COUNT 2",
        ],
        faults: &[Fault {
            parameters: "-set MAXIMUM 0 -set COUNT 3",
            from: "wire accept = s_valid & s_ready & clken;",
            to: "wire accept = s_valid & clken;",
        }],
    },
    Proof {
        name: "best",
        parts: &["merge"],
        parameters: &[
            "-set LANES 1 -set WORDS 3 -set K 2",
            "-set LANES 2 -set WORDS 1 -set K 1",
            "-set LANES 2 -set WORDS 2 -set K 1",
            "-set LANES 3 -set WORDS 1 -set K 2",
        ],
        faults: &[
            Fault {
                parameters: "-set LANES 2 -set WORDS 2 -set K 1",
                from: "entry & {BITS{!first}}",
                to: "entry",
            },
            Fault {
                parameters: "-set LANES 2 -set WORDS 2 -set K 1",
                from: "if (step & valid) best <=",
                to: "if (clken & valid) best <=",
            },
        ],
    },
    Proof {
        name: "threshold",
        parts: &[],
        parameters: &[
            "-set SIGNED 1 -set ABOVE 1",
            "-set SIGNED 1 -set ABOVE 14",
            "-set SIGNED 1 -set ABOVE 11",
            "-set SIGNED 0 -set ABOVE 5",
            "-set SIGNED 0 -set ABOVE 15",
        ],
        faults: &[Fault {
            parameters: "-set SIGNED 0 -set ABOVE 5",
            from: "if (clken & s_ready) begin",
            to: "if (clken) begin",
        }],
    },
    Proof {
        name: "requantise",
        parts: &[],
        parameters: &["-set DEPTH 1", "-set DEPTH 2", "-set DEPTH 3"],
        faults: &[Fault {
            parameters: "-set DEPTH 2",
            from: "assign rom_enable  = s_valid & step;",
            to: "assign rom_enable  = s_valid;",
        }],
    },
    Proof {
        name: "multiplier_bank",
        parts: &["scaled_product"],
        parameters: &["-set DEPTH 1", "-set DEPTH 2", "-set DEPTH 3"],
        faults: &[Fault {
            parameters: "-set DEPTH 2",
            from: "assign rom_enable  = s_valid & step;",
            to: "assign rom_enable  = s_valid & clken;",
        }],
    },
    Proof {
        name: "array",
        parts: &["gated_add"],
        parameters: &[
            "-set SUMS 1 -set DEPTH 1",
            "-set SUMS 1 -set DEPTH 2",
            "-set SUMS 2 -set DEPTH 2",
            "-set SUMS 2 -set DEPTH 4",
            "-set SUMS 2 -set DEPTH 4 -set TOLD 1",
        ],
        faults: &[
            Fault {
                parameters: "-set SUMS 2 -set DEPTH 2",
                from: "m_valid <= valid[LEVELS] & last;",
                to: "m_valid <= valid[LEVELS];",
            },
            Fault {
                parameters: "-set SUMS 2 -set DEPTH 4 -set TOLD 1",
                from: "if (rst) fresh <= 1'b1;",
                to: "if (rst) fresh <= 1'b0;",
            },
        ],
    },
    Proof {
        name: "shift_add_bank",
        parts: &[],
        parameters: &["-set DEPTH 1", "-set DEPTH 2"],
        faults: &[Fault {
            parameters: "-set DEPTH 2",
            from: "assign rom_enable  = s_valid & step;",
            to: "assign rom_enable  = s_valid & clken;",
        }],
    },
    Proof {
        name: "rectify",
        parts: &[],
        parameters: &[""],
        faults: &[Fault {
            parameters: "",
            from: "else if (clken & advance) m_valid <= s_valid;",
            to: "else if (clken & advance) m_valid <= s_valid | m_valid;",
        }],
    },
    Proof {
        name: "curves",
        parts: &["curve"],
        parameters: &[""],
        faults: &[Fault {
            parameters: "",
            from: "assign table_enable = step;",
            to: "assign table_enable = clken;",
        }],
    },
];

/// Memories whose words may be anything where they are read at the edge at which they are written
/// (`no_rw_check`): of a primitive the reading, and one that inverts such a word.
const COLLISIONS: &[[&str; 3]] = &[
    [
        "fifo",
        "fetched <= memory[take ? second_address : read_address];",
        "fetched <= memory[take ? second_address : read_address]
            ^ {BITS{accept & write_address == (take ? second_address : read_address)}};",
    ],
    [
        "reader",
        "output_register <= memory[address];",
        "output_register <= memory[address]
            ^ {LANES*ELEMENT_BITS{write & write_address == address}};",
    ],
    [
        "window",
        "output_register <= memory[c[COLUMN_BITS-1:0]];",
        "output_register <= memory[c[COLUMN_BITS-1:0]] ^ {PIXEL_BITS{write
            & slot == HERE[SLOT_BITS-1:0] & column == c[COLUMN_BITS-1:0]}};",
    ],
    [
        "patches",
        "fetched <= memory[read_address];",
        "fetched <= memory[read_address] ^ {BITS{write & write_address == read_address}};",
    ],
    [
        "reverse",
        "fetched <= memory[read_address];",
        "fetched <= memory[read_address] ^ {BITS{accept & write_address == read_address}};",
    ],
    [
        "positions",
        "fetched <= memory[address];",
        "fetched <= memory[address] ^ {BITS{accept & write_address == address}};",
    ],
];

/// Whether `bad` of the harness never rises, with `from` replaced by `to` in the primitive, or in
/// what it instantiates.
fn holds(proof: &Proof, parameters: &str, fault: Option<&Fault>, tools: &Tools) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let Proof { name, parts, .. } = proof;
    let primitives = [name].into_iter().chain(*parts);
    let mut texts: Vec<String> =
        primitives.map(|primitive| hw(&format!("strassenc_{primitive}.v"))).collect();
    if let Some(Fault { from, to, .. }) = fault {
        let faulty = texts.iter_mut().find(|text| text.contains(from));
        let text = faulty.unwrap_or_else(|| panic!("{name}: {from}"));
        assert_eq!(text.matches(from).count(), 1, "{name}: {from}");
        *text = text.replace(from, to);
    }
    let mut text = texts.concat();
    for harness in ["stream.v", &format!("prove_{name}.v")] {
        text += &hw(&format!("formal/{harness}"));
    }
    write("all.v", &text);
    write("pdr.abc", "backup; read_aiger bad.aig; strash; pdr; write_status status; restore\n");
    let parameters =
        if parameters.is_empty() { String::new() } else { format!("chparam {parameters} top\n") };
    // Registers without an initial value begin with any. What the pass `abc` maps is of no account.
    let script = format!(
        "read_verilog all.v\nrename prove_{name} top\n{parameters}hierarchy -check -top top\nproc\n\
         flatten\nopt -full\nmemory -nordff\nopt -full\ntechmap\nopt -full\ndffunmap\nsimplemap\n\
         opt_clean\naigmap\nclean\nwrite_aiger -zinit bad.aig\nabc -script pdr.abc\n"
    );
    write("prove.ys", &script);
    let mut yosys = tools.yosys().unwrap().command();
    tools.run_ok(yosys.current_dir(folder.path()).args(["-q", "-s", "prove.ys"])).unwrap();
    let status = std::fs::read_to_string(folder.path().join("status")).unwrap();
    match status.split_whitespace().next() {
        Some("snl_UNSAT") => true,
        Some("snl_SAT") => false,
        _ => panic!("{name} {parameters}: {status}"),
    }
}

#[test]
fn streams_lose_double_change_and_overtake_nothing_and_faults_are_found() {
    let tools = tools();
    let asked: Vec<_> = PROOFS
        .iter()
        .flat_map(|proof| {
            let right = proof.parameters.iter().map(move |parameters| (proof, *parameters, None));
            let wrong = proof.faults.iter().map(move |f| (proof, f.parameters, Some(f)));
            right.chain(wrong)
        })
        .collect();
    let wrong = |(proof, parameters, fault): &(&Proof, &str, Option<&Fault>)| {
        let told = match (holds(proof, parameters, *fault, &tools), fault) {
            (true, None) | (false, Some(_)) => return None,
            (false, None) => "is refuted",
            (true, Some(_)) => "is proved with its fault",
        };
        Some(format!("strassenc_{} {parameters} {told}", proof.name))
    };
    let wrong: Vec<String> = asked.par_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_read_as_it_is_written_is_never_used() {
    let tools = tools();
    let asked: Vec<_> = COLLISIONS
        .iter()
        .flat_map(|&[name, from, to]| {
            let proof = PROOFS.iter().find(|proof| proof.name == name).unwrap();
            let collision = move |parameters| (proof, parameters, Fault { parameters, from, to });
            proof.parameters.iter().copied().map(collision)
        })
        .collect();
    let used: Vec<_> = asked
        .par_iter()
        .filter(|(proof, parameters, collision)| !holds(proof, parameters, Some(collision), &tools))
        .map(|(proof, parameters, _)| format!("strassenc_{} {parameters}", proof.name))
        .collect();
    assert!(used.is_empty(), "{}", used.join("\n"));
}

/// `n` sets of parameters of `strassenc_add3`, all within 12 bits.
fn sums(n: usize) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let set = |_| {
        let bits = rng.random_range(1..=12);
        let mut set = format!("-set BITS {bits}");
        for x in ["A", "B", "C"] {
            let shift = if rng.random_bool(0.6) { 0 } else { rng.random_range(0..bits) };
            let own = rng.random_range(1..=bits - shift);
            let (signed, negate) = (rng.random_range(0..2), rng.random_range(0..2));
            set += &format!(" -set {x}_SHIFT {shift} -set {x}_BITS {own} -set {x}_SIGNED {signed}");
            if x != "A" {
                set += &format!(" -set NEGATE_{x} {negate}");
            }
        }
        set
    };
    (0..n).map(set).collect()
}

/// Whether Yosys proves, for all these parameters, that LUTs and carry chains are the sum that the
/// module says, or, where a register keeps its carry, that they ever are.
fn sums_are_equal(module: &str, text: &str, sets: &[String], tools: &Tools) -> bool {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sum.v"), text).unwrap();
    let (registers, by) = match text.contains("always @(posedge clk)") {
        true => (
            "setattr -set keep 1 w:carry w:above w:word\nopt_clean\n\
             expose w:carry w:above w:word\n",
            "-tempinduct -set-init-zero",
        ),
        false => ("", ""),
    };
    let prove = |set: &String| {
        format!(
            "design -reset\n\
             read_verilog +/xilinx/cells_sim.v\nread_verilog -DSTRASSENC_XC7 sum.v\n\
             chparam {set} {module}\nhierarchy -top {module}\nproc\nflatten\n{registers}\
             setattr -unset top {module}\nrename {module} cells\n\
             read_verilog sum.v\nchparam {set} {module}\nrename {module} sum\nproc\n{registers}\
             miter -equiv -flatten -make_outputs sum cells miter\nhierarchy -top miter\nopt -full\n\
             dffunmap\nsat -verify {by} -prove trigger 0 miter\n"
        )
    };
    let script: String = sets.iter().map(prove).collect();
    std::fs::write(folder.path().join("prove.ys"), script).unwrap();
    let mut yosys = tools.yosys().unwrap().command();
    yosys.current_dir(folder.path()).args(["-q", "-l", "log", "-s", "prove.ys"]);
    let proved = tools.run(&mut yosys).unwrap().status.success();
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(proved || log.contains("model found") && log.contains("FAIL!"), "{log}");
    proved
}

#[test]
fn a_sum_of_three_terms_in_luts_and_carry_chains_is_the_sum() {
    let (tools, text, sets) = (tools(), hw("strassenc_add3.v"), sums(60));
    assert!(sets.par_chunks(15).all(|sets| sums_are_equal("strassenc_add3", &text, sets, &tools)));
    // A carry that comes in is left out.
    let wrong = text.replace("CARRY  = BOTH || (EITHER && !KEEP)", "CARRY  = BOTH");
    assert!(wrong != text && !sums_are_equal("strassenc_add3", &wrong, &sets, &tools));
}

#[test]
fn a_sum_of_digits_in_luts_is_the_sum() {
    let (tools, text, module) = (tools(), hw("strassenc_serial_add.v"), "strassenc_serial_add");
    let set = |i: u32| format!("-set DIGIT {} -set NEGATE {}", i / 2 + 1, i % 2);
    let sets: Vec<String> = (0..10).map(set).collect();
    assert!(sums_are_equal(module, &text, &sets, &tools));
    // What is subtracted is not inverted for the carry of two bits.
    let wrong = text.replace("i[3] ^ (NEGATE != 0)", "i[3]");
    assert!(wrong != text && !sums_are_equal(module, &wrong, &sets, &tools));
}

#[test]
fn a_sum_of_three_terms_in_digits_in_luts_and_carry_chains_is_the_sum() {
    let (tools, text, module) = (tools(), hw("strassenc_serial_add3.v"), "strassenc_serial_add3");
    let set = |i: u32| {
        format!("-set DIGIT {} -set NEGATE_B {} -set NEGATE_C {}", i / 4 + 1, i & 1, i >> 1 & 1)
    };
    let sets: Vec<String> = (0..24).map(set).collect();
    assert!(sums_are_equal(module, &text, &sets, &tools));
    // The chain begins without the carry of the digit before.
    let wrong = text.replace("assign di[0] = carry", "assign di[0] = 1'b0");
    assert!(wrong != text && !sums_are_equal(module, &wrong, &sets, &tools));
}

#[test]
fn a_gated_sum_in_luts_and_carry_chains_is_the_sum() {
    let (tools, text, module) = (tools(), hw("strassenc_gated_add.v"), "strassenc_gated_add");
    let sets: Vec<String> = [1, 4, 9, 14].map(|bits| format!("-set BITS {bits}")).into();
    assert!(sums_are_equal(module, &text, &sets, &tools));
    // The chain takes what is off.
    let wrong = text.replace("init[i]      = i[0] & i[1]", "init[i]      = i[0]");
    assert!(wrong != text && !sums_are_equal(module, &wrong, &sets, &tools));
}

#[test]
fn bounds_in_luts_are_the_bounds() {
    let (tools, text, module) = (tools(), hw("strassenc_saturate.v"), "strassenc_saturate");
    let set = |(x, bits): (u32, u32)| format!("-set X_BITS {x} -set BITS {bits}");
    let sets: Vec<String> = [(3, 1), (10, 8), (11, 8), (12, 8), (9, 5)].map(set).into();
    assert!(sums_are_equal(module, &text, &sets, &tools));
    let wrong = text.replace("i[3] | i[4] |", "i[3] |");
    assert!(wrong != text && !sums_are_equal(module, &wrong, &sets, &tools));
}

#[test]
fn a_choice_by_multiplexers_is_the_choice() {
    let (tools, module) = (tools(), "strassenc_select");
    // Positions above the last one are none.
    let text = hw("strassenc_select.v").replace("] position,", "] any,").replace(
        "    localparam PLACES = ",
        "    wire [POSITION_BITS-1:0] position = any < COUNT ? any : 0;\n    localparam PLACES = ",
    );
    let set = |(count, bits): (u32, u32)| format!("-set COUNT {count} -set POSITION_BITS {bits}");
    let all = [(8, 4), (15, 4), (10, 4), (7, 3), (21, 5), (24, 6), (64, 6), (3, 2), (1, 1)];
    let sets: Vec<String> = all.map(set).into();
    assert!(sums_are_equal(module, &text, &sets, &tools));
    let wrong = text.replace(".S (position[2])", ".S (position[1])");
    assert!(wrong != text && !sums_are_equal(module, &wrong, &sets, &tools));
}
