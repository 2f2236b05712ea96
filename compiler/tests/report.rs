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

/// No line is wider than the narrowest terminal.
fn assert_fits(text: &str) {
    let wide: Vec<_> = text.lines().filter(|line| line.chars().count() > 80).collect();
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

/// Every text of the page with the path that it belongs to, if it is a figure.
fn texts<'a>(page: &'a Document) -> Vec<(Option<&'a str>, &'a str)> {
    let is_text = |node: &Node| node.is_text() && !node.text().unwrap_or("").trim().is_empty();
    let texts = page.descendants().filter(is_text);
    texts
        .map(|node| (node.parent().and_then(|p| p.attribute("data-figure")), node.text().unwrap()))
        .collect()
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
        // Each bar is as long as its figure.
        let bars = page.descendants().filter(|node| node.attribute("class") == Some("bar"));
        let lengths: Vec<f64> = bars
            .map(|cell| {
                let part = |tag| cell.children().find(|node| node.has_tag_name(tag)).unwrap();
                let adders: f64 = part("span").text().unwrap().replace(' ', "").parse().unwrap();
                let style = part("i").attribute("style").unwrap();
                let rem: f64 = style
                    .strip_prefix("width: ")
                    .unwrap()
                    .strip_suffix("rem")
                    .unwrap()
                    .parse()
                    .unwrap();
                if adders == 0.0 { f64::NAN } else { rem / adders }
            })
            .filter(|length| !length.is_nan())
            .collect();
        assert!(
            lengths.iter().all(|length| (length / lengths[0] - 1.0).abs() < 0.05),
            "{what}: {lengths:?}"
        );
    }
}

#[test]
fn a_terminal_tells_the_figures_of_the_page_and_nothing_else() {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    for what in BUILDS.map(|(name, ..)| name).into_iter().chain(["resnet20", "austen"]) {
        let (_, page) = json_and_page(what, &[]);
        let page = Document::parse(body(&page)).unwrap();
        let part = |tag: &str| {
            let parts = page.descendants().filter(|node| node.has_tag_name(tag));
            parts
                .flat_map(|part| part.descendants())
                .filter_map(|node| node.text().filter(|_| node.is_text()))
                .collect::<String>()
        };
        // A page begins with what matters most, a terminal ends with it.
        let due: String = ["header", "section", "ul"].map(part).concat();
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
    assert_eq!(number(&images, "/total/multiplications"), 15_840);
    assert_eq!(number(&images, "/total/multipliers"), 64 + 4 + 1 + 1);
    assert_eq!(images["layers"][2]["engine"]["choice"]["engine"], "folded");
    assert_eq!(rows(&images), 2);
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

/// Measures, as a browser lays the page out: the window's width, by how much the page is wider,
/// what reaches out of it, and which figures are parted.
const MEASURE: &str = "<script>
const root = document.documentElement;
const wide = [...document.body.querySelectorAll('*')].filter(element => {
    const { left, right } = element.getBoundingClientRect();
    return left < 0 || right > root.clientWidth + 0.5;
});
const figures = [...document.querySelectorAll('li span, td + td span')];
const parted = figures.filter(element => element.getClientRects().length > 1);
const told = [...wide, ...parted].map(element => element.tagName + ' ' + element.textContent);
root.dataset.measured = [innerWidth, root.scrollWidth - root.clientWidth, ...told].join(';');
</script>";

#[test]
fn nothing_is_wider_than_the_window() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named =
        |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(named)
    else {
        eprintln!("skipped: no Chromium is on the PATH, so that no page can be laid out");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for what in BUILDS.map(|(name, ..)| name).into_iter().chain(["st-resnet18"]) {
        let (_, page) = json_and_page(what, &[]);
        let file = folder.path().join("page.html");
        std::fs::write(&file, page.replace("</body>", &format!("{MEASURE}</body>"))).unwrap();
        for width in [1280, 600] {
            let output = Command::new(browser)
                .args([
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--dump-dom",
                ])
                .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
                .arg(format!("--window-size={width},1000"))
                .arg(format!("file://{}", file.display()))
                .output()
                .unwrap();
            let dom = String::from_utf8_lossy(&output.stdout).into_owned();
            let measured =
                dom.split_once("data-measured=\"").unwrap_or_else(|| panic!("{output:?}")).1;
            let measured = measured.split_once('"').unwrap().0;
            assert_eq!(measured, format!("{width};0"), "{what}");
        }
    }
}
