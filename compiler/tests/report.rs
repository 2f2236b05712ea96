//! The report as its readers meet it: a terminal, a page and JSON that tell the same figures, for a
//! network of each kind; and nothing that is wider than a terminal or a window.

use roxmltree::{Document, Node};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Residual sums, so that there are FIFOs, and pooling. The name is as long as a name may be.
const RESIDUAL: &str = r#"
name = "residual_network_with_a_name_as_long_as_any_name_may_ever_be_mad"
input = { shape = [8, 8, 2], bits = 6, frac = 6 }
layers = [
    { conv2d = { channels = 4, kernel = 3, pad = 1 } },
    { residual = { body = [{ conv2d = { channels = 4, kernel = 3, pad = 1 } }] } },
    "relu",
    { max_pool = { size = 2 } },
    { dense = { units = 3 } },
]
"#;

/// A build of each kind of network, by name.
struct Builds {
    folder: tempfile::TempDir,
}

/// The build's name, and what makes it.
const BUILDS: [(&str, &str, &[&str]); 7] = [
    ("vectors", "digits", &[]),
    ("shift-add", "digits", &["--multipliers", "auto", "--dsp-budget", "20", "--aclken"]),
    ("images", "fashion-cnn", &[]),
    ("sequences", "austen", &["--target-fps", "100000"]),
    ("products", "scheme", &[]),
    ("large", "resnet20", &["--target-fps", "3000"]),
    ("residual", "residual-run", &["--engine", "folded", "--multipliers", "shift-add"]),
];

static BUILT: LazyLock<Builds> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("net.toml"), RESIDUAL).unwrap();
    done(path, &["random", "net.toml", "-o", "residual-run"]);
    done(path, &["discover", "2x2x2", "-o", "scheme"]);
    for (name, model, options) in BUILDS {
        let shipped = models().join(model).with_extension("safetensors");
        let model = if shipped.exists() { shipped.to_str().unwrap() } else { model };
        assert_fits(&done(path, &[&["verilog", model, "-o", name], options].concat()));
    }
    Builds { folder }
});

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/models")
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strassenc"));
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn done(folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = run(folder, arguments);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// No line is wider than the narrowest terminal, but for commands, which are copied whole.
fn assert_fits(text: &str) {
    let lines = text.lines().filter(|line| !line.starts_with("to run a bench: "));
    let wide: Vec<_> = lines.filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

/// The JSON of a report of `what`, and its page.
fn json_and_page(what: &str, options: &[&str]) -> (Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("report.html");
    let arguments =
        [&["report", what, "--json", "--html", page.to_str().unwrap()], options].concat();
    let json = done(BUILT.folder.path(), &arguments);
    (serde_json::from_str(&json).unwrap(), std::fs::read_to_string(page).unwrap())
}

/// What stands between `<body>` and `</body>`, these included.
fn body(page: &str) -> &str {
    &page[page.find("<body>").unwrap()..page.find("</html>").unwrap()]
}

/// Compares a figure as people read it with the value in the JSON.
fn assert_figure(path: &str, shown: &str, json: &Value) {
    let value = json
        .pointer(&format!("/{}", path.replace('.', "/")))
        .unwrap_or_else(|| panic!("no {path} in the JSON"));
    if let Some(text) = value.as_str() {
        return assert_eq!(shown, text, "{path}");
    }
    let value = value.as_f64().unwrap_or_else(|| panic!("{path}: {value} is no figure"));
    let (number, scale) = shown.strip_suffix(" %").map_or((shown, 1.0), |number| (number, 100.0));
    let read: f64 = number.replace(' ', "").parse().unwrap_or_else(|_| panic!("{path}: {shown}"));
    let decimals = number.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    let rounding = 0.5 * 10f64.powi(-decimals) * (1.0 + 1e-9);
    assert!((read - scale * value).abs() <= rounding, "{path}: {shown} for {value}");
}

/// Whether a part of a page is a chart or a style sheet: the numbers there are ticks and lengths.
fn is_drawn(node: Node) -> bool {
    let of_chart = |node: &Node| node.attribute("class") == Some("chart");
    node.ancestors().any(|node| of_chart(&node) || node.has_tag_name("style"))
}

/// Every text of the page with the path that it belongs to, if it is a figure.
fn texts<'a>(page: &'a Document) -> Vec<(Option<&'a str>, &'a str)> {
    let is_text = |node: &Node| node.is_text() && !node.text().unwrap_or("").trim().is_empty();
    let texts = page.descendants().filter(|node| is_text(node) && !is_drawn(*node));
    texts
        .map(|node| (node.parent().and_then(|p| p.attribute("data-figure")), node.text().unwrap()))
        .collect()
}

/// The bars of a table: of each the title of its column, its figure and its length in per cent.
fn bars(table: Node) -> Vec<(String, f64, f64)> {
    let is_bar = |node: &Node| node.attribute("class").is_some_and(|c| c.starts_with("bar"));
    let bar = |cell: Node| {
        let find = |tag| cell.descendants().find(|node| node.has_tag_name(tag));
        let shown = find("span")?.text()?.replace([' ', '%'], "").parse().ok()?;
        let style = find("b")?.attribute("style")?;
        let length = style.strip_prefix("width: ")?.strip_suffix('%')?.parse().ok()?;
        // What sharing leaves is as long as what it was before.
        let title = cell.attribute("data-title")?.replace("before", "adders");
        Some((title, shown, length))
    };
    table.descendants().filter(is_bar).map(|cell| bar(cell).expect("a bar has a figure")).collect()
}

#[test]
fn every_number_of_a_page_is_a_figure_of_the_json() {
    let descriptions = [("fashion-cnn", &[][..]), ("ptb", &["--accounting", "paper"])];
    let all =
        BUILDS.iter().map(|(name, ..)| (*name, &["--device", "ice40"][..])).chain(descriptions);
    for (what, options) in all {
        let (json, page) = json_and_page(what, options);
        let page = Document::parse(body(&page)).unwrap();
        let texts = texts(&page);
        for (path, text) in &texts {
            match path {
                Some(path) => assert_figure(path, text, &json),
                None => assert!(
                    !text.contains(|c: char| c.is_ascii_digit()),
                    "{what}: {text:?} is no figure"
                ),
            }
        }
        let figures = texts.iter().filter(|(path, _)| path.is_some()).count();
        assert!(figures > 20, "{what}: {figures} figures");
        // Each bar is as long as its figure; a whole one may stand for more.
        let tables: Vec<_> = page.descendants().filter(|n| n.has_tag_name("table")).collect();
        for bars in tables.iter().map(|table| bars(*table)) {
            for (title, shown, length) in &bars {
                let of_title = || bars.iter().filter(|bar| bar.0 == *title && bar.2 < 100.0);
                let longest = of_title().max_by(|a, b| a.1.total_cmp(&b.1));
                let Some((_, most, whole)) = longest else { continue };
                let due = whole * shown / most.max(1e-9);
                let near = (length - due).abs() < 0.02 * whole + 0.6;
                assert!(near || *length >= 100.0, "{what}: {title} {shown}: {length} %");
            }
        }
    }
}

#[test]
fn a_terminal_tells_the_figures_of_the_page_and_nothing_else() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    for what in BUILDS.map(|(name, ..)| name).into_iter().chain(["resnet20", "austen"]) {
        let (_, page) = json_and_page(what, &[]);
        let page = Document::parse(body(&page)).unwrap();
        // Pictures, and what a terminal has no room for, are a page's alone.
        let of_page = |node: &Node| {
            let class = node.attribute("class").unwrap_or_default();
            node.has_tag_name("figure") || class == "drawing" || class.contains("of-page")
        };
        let part = |of: &str| {
            let is = |node: &Node| node.has_tag_name(of) || node.attribute("class") == Some(of);
            let parts = page.descendants().filter(is);
            let mark = if of == "warning" { "!" } else { "" };
            parts
                .flat_map(|part| {
                    let texts = part.descendants().filter(|node| {
                        node.is_text() && !node.ancestors().any(|node| of_page(&node))
                    });
                    let texts: String = texts.filter_map(|node| node.text()).collect();
                    [mark.to_string(), texts]
                })
                .collect::<String>()
        };
        // A page begins with what matters most, a terminal ends with it.
        let due: String =
            ["header", "footer", "section", "headlines", "warning"].map(part).concat();
        assert_eq!(
            squeezed(&done(BUILT.folder.path(), &["report", what])),
            squeezed(&due),
            "{what}"
        );
    }
}

#[test]
fn what_is_counted_is_told_for_every_kind_of_network() {
    let report = |what: &str| json_and_page(what, &[]).0;
    let number = |json: &Value, path: &str| {
        json.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path}"))
    };
    let rows = |json: &Value| json["sharing"]["matrices"].as_array().map_or(0, Vec::len);
    // An image core: its multiplications are those of all windows, and folding is no sharing.
    let images = report("images");
    let described: Value =
        serde_json::from_str(&done(&models(), &["report", "fashion-cnn", "--json"])).unwrap();
    for figure in ["multiplications", "dense_multiplications"] {
        assert_eq!(images["total"][figure], described["total"][figure]);
    }
    for layer in 0..6 {
        for figure in ["kind", "reads"] {
            assert_eq!(images["layers"][layer][figure], described["layers"][layer][figure]);
        }
    }
    assert_eq!(images["layers"][0]["kind"], "conv 3×3");
    assert_eq!(number(&images, "/total/multiplications"), 15_840);
    assert_eq!(number(&images, "/total/multipliers"), 64 / 4 + 64 / 16 + 1 + 1);
    for (layer, engine) in [(0, "serial"), (2, "serial"), (4, "folded")] {
        assert_eq!(images["layers"][layer]["engine"]["choice"]["engine"], engine);
    }
    assert_eq!(rows(&images), 4);
    assert_eq!(images["sharing"]["matrices"][0]["layer"], "conv_0");
    for figure in ["rom_bits", "brams", "luts"] {
        assert!(images["total"][figure].as_f64().unwrap() > 0.0, "{figure}");
    }
    assert_eq!(images["inferences_per_second"], 200e6 / 784.0);
    // Of vectors, every matrix is shared; nothing is in ROMs.
    let vectors = report("vectors");
    assert_eq!((rows(&vectors), number(&vectors, "/total/rom_bits")), (4, 0));
    assert_eq!(number(&vectors, "/total/multipliers"), number(&vectors, "/total/multiplications"));
    // Shifts and additions are no multipliers.
    let soft = report("shift-add");
    assert_eq!(number(&soft, "/total/multipliers"), 20);
    assert_eq!(number(&soft, "/total/shift_add"), number(&soft, "/total/multiplications") - 20);
    assert!(soft["options"].as_str().unwrap().contains("--multipliers auto --dsp-budget 20"));
    // A folded core has nothing that is shared; its FIFOs are those of the record.
    let residual = report("residual");
    assert_eq!((&residual["sharing"], number(&residual, "/total/dsp_blocks")), (&Value::Null, 0));
    let fifo = &residual["fifos"][0];
    assert_eq!(number(fifo, "/total_bits"), number(fifo, "/depth") * number(fifo, "/bits"));
    assert!(number(fifo, "/live") <= number(fifo, "/rate"));
    // Two operands are both data, and the schoolbook core is the other one.
    let products = report("products");
    assert_eq!(
        (
            number(&products, "/total/multiplications"),
            number(&products, "/total/dense_multiplications")
        ),
        (7, 8)
    );
    assert_eq!(products["sharing"]["matrices"][0]["matrix"], "W_a, W_b");
    assert_eq!(products["layers"][0]["schoolbook_dsp_blocks"], 8);
    // One step of an LSTM: the rows of its eight SPNs, and three products of each unit.
    let sequences = report("sequences");
    let lstm = sequences["layers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|layer| layer["name"] == "lstm_0")
        .unwrap();
    let units = number(lstm, "/outputs");
    assert_eq!(number(lstm, "/multiplications"), number(lstm, "/per_window"));
    assert!(
        number(lstm, "/multiplications") > 3 * units
            && number(lstm, "/multiplications") <= number(lstm, "/budget") + 3 * units
    );
}

#[test]
fn no_table_is_wider_than_a_terminal() {
    let folder = BUILT.folder.path();
    for (name, ..) in BUILDS {
        assert_fits(&done(folder, &["report", name]));
    }
    for (name, _) in strassenc_runtime::network::ready() {
        assert_fits(&done(folder, &["report", name]));
        assert_fits(&done(folder, &["report", name, "--accounting", "paper"]));
    }
    assert_fits(&done(folder, &["report", "net.toml"]));
    let report: Value =
        serde_json::from_str(&done(folder, &["report", "large", "--json"])).unwrap();
    assert!(
        report["fifos"].as_array().unwrap().len() >= 9
            && report["layers"].as_array().unwrap().len() == 32
    );
}

/// A program on the PATH.
fn on_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        |name: &&str| std::env::split_paths(&path).map(|p| p.join(name)).find(|p| p.is_file());
    names.iter().find_map(found)
}

/// The folder of `check.mjs` with what it imports, which npm installs once; none where it cannot.
fn checker() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&folder).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page");
    for name in ["check.mjs", "package.json", "package-lock.json"] {
        std::fs::copy(own.join(name), folder.join(name)).unwrap();
    }
    if !folder.join("node_modules/.package-lock.json").exists() {
        let mut npm = Command::new(on_path(&["npm"])?);
        let npm = npm.current_dir(&folder).args(["ci", "--no-audit", "--no-fund"]).output();
        npm.ok().filter(|output| output.status.success())?;
    }
    Some(folder)
}

/// Laid out by Chromium at 360, 800 and 1600 pixels and on paper, in light and in dark; axe-core
/// judges contrast, names and order.
#[test]
fn pages_fit_every_window_and_are_within_wcag() {
    let Some(browser) = on_path(&["chromium", "chromium-browser", "google-chrome"]) else {
        eprintln!("skipped: no Chromium is on the PATH, so that no page can be laid out");
        return;
    };
    let (Some(node), Some(checker)) = (on_path(&["node"]), checker()) else {
        eprintln!("skipped: npm cannot install playwright-core and axe-core here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pages: Vec<_> = BUILDS
        .map(|(name, ..)| name)
        .into_iter()
        .chain(["st-resnet18"])
        .map(|what| {
            let options: &[&str] = if what == "vectors" { &["--device", "up5k"] } else { &[] };
            let file = folder.path().join(what).with_extension("html");
            std::fs::write(&file, json_and_page(what, options).1).unwrap();
            file
        })
        .collect();
    let output = Command::new(node)
        .arg(checker.join("check.mjs"))
        .arg(browser)
        .args(&pages)
        .output()
        .unwrap();
    let faults = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && faults.is_empty(), "{faults}{output:?}");
}

/// The numbers of an attribute.
fn number(node: &Node, name: &str) -> f64 {
    node.attribute(name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name}"))
}

#[test]
fn pictures_show_every_layer_once_and_nothing_lies_on_anything_else() {
    let folder = BUILT.folder.path();
    let builds = BUILDS.iter().map(|(name, ..)| (*name, true));
    let ready = ["resnet20", "st-resnet18", "ptb"].map(|name| (name, false));
    for (what, is_build) in builds.chain(ready) {
        let mut arguments = vec!["report", what, "--json", "--overwrite", "--svg", "net.svg"];
        arguments.extend(is_build.then_some(["--graph", "core.svg"]).into_iter().flatten());
        let json: Value = serde_json::from_str(&done(folder, &arguments)).unwrap();
        let layers = json["layers"].as_array().unwrap();
        for picture in &["net.svg", "core.svg"][..1 + usize::from(is_build)] {
            let text = std::fs::read_to_string(folder.join(picture)).unwrap();
            let picture = Document::parse(&text).unwrap();
            for (path, shown) in texts(&picture) {
                match path {
                    Some(path) => assert_figure(path, shown, &json),
                    None => assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}"),
                }
            }
            let boxes: Vec<[f64; 4]> = picture
                .descendants()
                .filter(|node| node.attribute("class") == Some("frame"))
                .map(|node| ["x", "y", "width", "height"].map(|name| number(&node, name)))
                .collect();
            for (i, [x, y, width, height]) in boxes.iter().enumerate() {
                let apart = |[a, b, w, h]: &[f64; 4]| {
                    x + width <= *a || a + w <= *x || y + height <= *b || b + h <= *y
                };
                assert!(boxes[..i].iter().all(apart), "{what}: box {i} lies on another");
            }
            let width = number(&picture.root_element(), "width");
            for text in picture.descendants().filter(|node| node.has_tag_name("text")) {
                let letters: usize = text
                    .descendants()
                    .filter_map(|n| n.text().filter(|_| n.is_text()))
                    .map(|t| t.chars().count())
                    .sum();
                assert!(number(&text, "x") + 6.0 * letters as f64 <= width, "{what}");
            }
        }
        let text = std::fs::read_to_string(folder.join("net.svg")).unwrap();
        for layer in layers {
            let name = format!(">{}</tspan></text>", layer["name"].as_str().unwrap());
            assert_eq!(text.matches(&name).count(), 1, "{what}: {name}");
        }
    }
}

/// What a run, a simulation and a check say is told only of the build that they are about.
#[test]
fn evidence_is_of_the_very_build() {
    let folder = BUILT.folder.path();
    let sha256 = |build: &str| {
        let record = std::fs::read(folder.join(build).join("build.json")).unwrap();
        serde_json::from_slice::<Value>(&record).unwrap()["sha256"].as_str().unwrap().to_string()
    };
    let simulated = serde_json::json!({
        "build_sha256": sha256("vectors"), "data": "digits", "samples": 355, "mismatches": 2,
        "accuracy": 0.9746, "latency": { "measured": 21, "promised": 21 }, "ii": null,
        "clocks": 400, "simulator": { "verilator": "5.048" },
    });
    let checked = serde_json::json!({
        "build_sha256": sha256("vectors"), "passed": 1, "failed": 0, "skipped": 1,
        "rungs": [
            { "name": "adder graphs", "outcome": { "outcome": "passed", "counts": "4 graphs" } },
            { "name": "Icarus", "outcome": { "outcome": "skipped", "why": "is not installed" } },
        ],
    });
    std::fs::write(folder.join("simulated.json"), simulated.to_string()).unwrap();
    std::fs::write(folder.join("checked.json"), checked.to_string()).unwrap();
    let given = ["--simulated", "simulated.json", "--checked", "checked.json"];
    let text = done(folder, &[&["report", "vectors"][..], &given].concat());
    for told in ["97.46 %", "2 of 355 simulated samples come out wrong", "4 graphs"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    for (option, file) in [("--simulated", "simulated.json"), ("--checked", "checked.json")] {
        let output = run(folder, &["report", "images", option, file]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("is about another build"), "{error}");
    }
    let output = run(folder, &["report", "vectors", "--run", "residual-run"]);
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
}
