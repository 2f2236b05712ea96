//! README and guide: their commands run, their descriptions are read, their links lead somewhere,
//! and the book builds.
//!
//! What a block of code needs stands in a comment before it: `<!-- file: NAME -->` writes it to a
//! file, `<!-- not run: WHY -->` leaves it out, but what is Python has to parse. All other blocks
//! of `sh` are run, page by page, in a folder of the page; in a block of `console` a line of output
//! has to be printed, and `…` stands for anything.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc_runtime::data::npy;
use strassenc_tests::{packages, root, tools};

/// A block of code.
struct Block {
    line: usize,
    language: String,
    /// What the comment before it says.
    comment: Option<String>,
    text: String,
}

impl Block {
    fn says<'a>(&'a self, key: &str) -> Option<&'a str> {
        self.comment.as_deref()?.strip_prefix(key)?.strip_prefix(": ")
    }
}

/// The README and the pages of the guide.
fn pages() -> Vec<PathBuf> {
    let guide = root().join("docs/guide/src");
    let mut pages = vec![root().join("README.md")];
    for folder in [guide.clone(), guide.join("reference")] {
        pages.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    pages.sort();
    pages
}

/// Its name, for people.
fn name(page: &Path) -> String {
    page.strip_prefix(root()).unwrap().display().to_string()
}

/// The blocks of a page.
fn blocks(page: &Path) -> Vec<Block> {
    let text = fs::read_to_string(page).unwrap();
    let (mut blocks, mut open, mut comment) = (vec![], None::<Block>, None);
    for (i, line) in text.lines().enumerate() {
        let place = format!("{}:{}", name(page), i + 1);
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.to_string();
                assert!(!language.is_empty(), "{place}: of which language?");
                let comment = comment.take();
                open = Some(Block { line: i + 1, language, comment, text: String::new() });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, None) => {
                assert!(!line.starts_with("    "), "{place}: code stands between ``` lines");
                let inner = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
                comment = inner.map(String::from);
            }
        }
    }
    assert!(open.is_none(), "{}: a block is open at the end", name(page));
    blocks
}

/// `PATH` with the program before all others.
fn path() -> OsString {
    let program = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let built = std::env::current_exe().unwrap();
    let folder = built.ancestors().nth(2).unwrap();
    assert!(folder.join("strassenc").is_file(), "{program:?}: cargo build first");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder.to_path_buf()].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

/// Standard output of a script, which has to succeed.
fn run(script: &str, folder: &Path, place: &str) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-e", "-o", "pipefail", "-c", script]).current_dir(folder).env("PATH", path());
    bash.env("STRASSENC_HOME", tools().home());
    let done = bash.output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{place}:\n{script}\n{error}");
    String::from_utf8(done.stdout).unwrap()
}

/// Python, which has to take the text for its own.
fn parse(text: &str, place: &str) {
    let mut python = tools().python().unwrap().command();
    let parsed = python.args(["-c", "import ast, sys; ast.parse(sys.argv[1])", text]).output();
    let told = parsed.unwrap();
    assert!(told.status.success(), "{place}: {}", String::from_utf8_lossy(&told.stderr));
}

/// Runs the commands of a session, and looks for the lines that it shows, in order.
fn follow(session: &str, folder: &Path, place: &str) {
    let mut printed = String::new();
    let mut rest = "";
    for line in session.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            printed = run(command, folder, place);
            rest = &printed;
            continue;
        }
        let mut found = rest.lines();
        let shown = found.by_ref().any(|printed| fits(printed.trim_end(), line.trim_end()));
        assert!(shown || line == "…", "{place}: `{line}` is not printed any more:\n{printed}");
        if shown {
            let left = found.map(str::len).sum::<usize>();
            rest = &rest[rest.len().saturating_sub(left + rest.lines().count())..];
        }
    }
}

/// Whether a line is one that `shown`, in which `…` stands for anything, describes.
fn fits(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// Runs a page; yields how many blocks ran, and why others did not.
fn walk(page: &Path) -> (usize, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    // What pages take from the repository, or make with NumPy.
    for part in ["runtime/models", "examples"] {
        let to = folder.path().join(part);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(root().canonicalize().unwrap().join(part), to).unwrap();
    }
    let matrix = ndarray::array![[1, -1, 0, 1], [1, 1, 1, 0], [0, 1, 1, -1]];
    fs::write(folder.path().join("W.npy"), npy::to_bytes(&matrix)).unwrap();
    let (mut ran, mut left) = (0, vec![]);
    for block in blocks(page) {
        let place = format!("{}:{}", name(page), block.line);
        if let Some(file) = block.says("file") {
            fs::write(folder.path().join(file), &block.text).unwrap();
            continue;
        }
        if let Some(why) = block.says("not run") {
            left.push(format!("{place}: {why}"));
            if block.language == "python" {
                parse(&block.text, &place);
            }
            continue;
        }
        match block.language.as_str() {
            "sh" => drop(run(&block.text, folder.path(), &place)),
            "console" => follow(&block.text, folder.path(), &place),
            "text" => continue,
            other => panic!("{place}: say what becomes of this {other}"),
        }
        ran += 1;
    }
    (ran, left)
}

#[test]
fn every_command_of_readme_and_guide_works_or_says_why_it_is_not_run() {
    tools().verilator_or_install().unwrap();
    let mut ran = 0;
    for page in pages() {
        let (more, left) = walk(&page);
        left.iter().for_each(|why| eprintln!("not run: {why}"));
        ran += more;
    }
    assert!(ran >= 20, "{ran}");
}

#[test]
fn shown_lines_are_compared() {
    assert!(fits("96 adders in 0.3 s", "96 adders in … s"));
    assert!(fits("96 adders in 0.3 s", "96 …"));
    assert!(fits("96 adders", "…adders"));
    assert!(!fits("97 adders in 0.3 s", "96 adders in … s"));
    assert!(!fits("96 adders in 0.3 s", "96 adders"));
    let folder = tempfile::tempdir().unwrap();
    let follow = |session: &str| {
        let walk = || follow(session, folder.path(), "here");
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(walk)).is_ok()
    };
    assert!(follow("$ printf 'a\\nb\\nc\\n'\na\n…\nc\n$ echo d\nd\n"));
    assert!(!follow("$ printf 'a\\nb\\n'\nb\na\n"));
    assert!(!follow("$ false\n"));
}

/// The anchors that a page's headings get, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere_and_every_page_is_in_the_summary() {
    let guide = root().join("docs/guide/src");
    let mut all = pages();
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    all.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    all.extend(["ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    for page in &all {
        let text = fs::read_to_string(page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (link, _) in links.filter(|(link, _)| !link.contains("://") && !link.contains(' ')) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let to = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            assert!(to.exists(), "{}: {link}", name(page));
            // The book holds its own folder alone.
            let inside = |path: &Path| {
                path.canonicalize().unwrap().starts_with(guide.canonicalize().unwrap())
            };
            assert!(!inside(page) || inside(&to), "{}: {link} is not in the book", name(page));
            if !anchor.is_empty() {
                let known = anchors(&fs::read_to_string(&to).unwrap());
                assert!(known.contains(anchor), "{}: {link}: {known:?}", name(page));
            }
        }
    }
    let summary = fs::read_to_string(guide.join("SUMMARY.md")).unwrap();
    for page in pages().iter().filter_map(|page| page.strip_prefix(&guide).ok()) {
        let page = page.display().to_string();
        let times = summary.matches(&format!("]({page})")).count();
        assert_eq!(times, usize::from(page != "SUMMARY.md"), "{page}");
    }
}

#[test]
fn the_readme_compares_by_figures_that_were_measured() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let readme = read("README.md");
    let (adders, netlist) = (read("docs/adder-graphs.md"), read("docs/netlist.md"));
    for (shown, row, page) in [
        ("1,085 (b) |", "| 64x64, 2/3 | 1154/8 | 1085/7 |", &adders),
        ("1,154 [6] |", "| 64x64, 2/3 | 1154/8 | 1085/7 |", &adders),
        ("8,784 (c) |", "| one adder a stage | 28 | 8784 ", &netlist),
        ("16,678 [5] |", "| Alkaid, two operands, cut 1 | 35 | 16678 ", &netlist),
    ] {
        assert!(readme.contains(shown) && page.contains(row), "{shown}: {row}");
    }
}

#[test]
fn lines_are_narrow() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        // A row of a table is one line.
        let wide = text.lines().enumerate().filter(|(_, line)| !line.starts_with('|'));
        let wide: Vec<_> =
            wide.filter(|(_, l)| l.chars().count() > 100).map(|(i, _)| i + 1).collect();
        assert!(wide.is_empty(), "{}: {wide:?}", name(&page));
    }
    for folder in ["hw", "hw/tb", "hw/formal"] {
        for file in fs::read_dir(root().join(folder)).unwrap() {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap_or_default();
            let wide = text.lines().position(|line| line.chars().count() > 100);
            assert!(wide.is_none(), "{}: line {wide:?} from 0", path.display());
        }
    }
}

#[test]
fn the_book_builds() {
    let tools = tools();
    let pins = root().join("docs/guide/requirements.txt");
    let site = match packages(&tools, "mdbook", &pins) {
        Ok(site) => site,
        Err(cause) => return eprintln!("skipped: mdBook cannot be had: {cause}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut mdbook = Command::new(site.join("bin/mdbook"));
    mdbook.arg("build").arg(root().join("docs/guide")).arg("-d").arg(folder.path());
    let done = tools.run(&mut mdbook).unwrap();
    let told = done.stdout + &done.stderr;
    assert!(done.status.success() && !told.contains("WARN"), "{told}");
    let model = fs::read_to_string(folder.path().join("reference/model.html")).unwrap();
    assert!(model.contains("safetensors") && !model.contains("{{#include"), "{model}");
}
