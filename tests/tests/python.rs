//! The Python package, as `pip install .` builds it: its tests, its types, its examples.

use std::path::{Path, PathBuf};
use std::process::Command;
use strassenc_tests::{packages, root, tools};

/// The package is built into a folder of its own by what `pip install .` calls, in the profile and
/// the target folder of this test, so that what is compiled already serves.
fn install(site: &Path, into: &Path) -> Result<(), String> {
    let tools = tools();
    let mut pip = tools.python().map_err(|e| e.to_string())?.command();
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--no-index"])
        .args(["--disable-pip-version-check", "--no-build-isolation", "--target"])
        .arg(into)
        .arg(root())
        .env("MATURIN_PEP517_ARGS", format!("--profile {profile}"))
        .env("PIP_ROOT_USER_ACTION", "ignore");
    tools.run_ok(with(&mut pip, &[site])).map(drop).map_err(|e| e.to_string())
}

/// Gives a command these folders of Python packages, and the programs in them.
fn with<'a>(command: &'a mut Command, sites: &[&Path]) -> &'a mut Command {
    let join = |folders: Vec<PathBuf>| std::env::join_paths(folders).unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let programs = sites.iter().map(|site| site.join("bin"));
    let path = programs.chain(std::env::split_paths(&path)).collect();
    let sites = sites.iter().map(|site| site.to_path_buf()).collect();
    command.env("PYTHONPATH", join(sites)).env("PATH", join(path))
}

#[test]
fn the_package_installs_passes_its_tests_and_is_typed() {
    let tools = tools();
    let site = match packages(&tools, "python", &root().join("python/tests/requirements.txt")) {
        Ok(site) => site,
        Err(cause) => return eprintln!("skipped: maturin and pytest cannot be had: {cause}"),
    };
    tools.verilator_or_install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    install(&site, folder.path()).unwrap_or_else(|cause| panic!("pip install .: {cause}"));
    let run = |words: &[&str]| {
        let mut python = tools.python().unwrap().command();
        python.args(["-B", "-m"]).args(words).current_dir(root());
        let finished = tools.run(with(&mut python, &[folder.path(), &site])).unwrap();
        let told = finished.stdout + &finished.stderr;
        assert!(finished.status.success(), "{}:\n{told}", words.join(" "));
        // Which tests were skipped, and why.
        told.lines()
            .filter(|line| line.starts_with("SKIPPED"))
            .for_each(|line| eprintln!("{line}"));
    };
    run(&["pytest", "-q", "-rs", "-p", "no:cacheprovider", "python/tests"]);
    let cache = format!("--cache-dir={}", folder.path().join("mypy").display());
    let torch = "/(torch|pytorch)/";
    run(&["mypy", &cache, "--exclude", torch, "python/strassenc", "python/tests"]);
}
