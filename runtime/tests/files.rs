//! Files and folders are written whole or not at all, and nothing that another process or the user
//! has is touched.
#![cfg(unix)]

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;
use strassenc_runtime::files::{self, WorkFolder};
use strassenc_runtime::{Error, Result};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn fine(_: &Path) -> Result<()> {
    Ok(())
}

fn refuse(folder: &Path) -> Result<()> {
    assert_eq!(text(&folder.join("a")), "new", "it sees the new folder");
    Err(Error::input("test", "no"))
}

#[test]
fn files_are_written_through_links_and_the_links_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    symlink("sub/file", at("one")).unwrap();
    symlink("one", at("two")).unwrap();
    // At first they lead to nothing.
    for content in ["first", "second"] {
        files::write(&at("two"), content.as_bytes()).unwrap();
        assert_eq!(text(&at("sub/file")), content);
        assert_eq!(fs::read_link(at("two")).unwrap(), Path::new("one"));
    }
    assert_eq!(names(folder.path()), ["one", "sub", "two"]);
    assert_eq!(names(&at("sub")), ["file"]);

    symlink("circle", at("circle")).unwrap();
    assert!(
        files::write(&at("circle"), b"x").unwrap_err().to_string().contains("cannot be written")
    );
    assert!(files::write(&at("sub"), b"x").is_err(), "a folder is no file");
    assert_eq!(names(folder.path()), ["circle", "one", "sub", "two"]);
}

#[test]
fn folders_are_written_through_links_and_the_links_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("sub")).unwrap();
    symlink("sub/build", at("link")).unwrap();
    // With a slash behind it, too.
    for (path, content) in [("link", "first"), ("link", "second"), ("link/", "third")] {
        files::write_folder(&at(path), [("a", content.as_bytes())], fine, fine).unwrap();
        assert_eq!(text(&at("sub/build/a")), content);
        assert_eq!(fs::read_link(at("link")).unwrap(), Path::new("sub/build"));
    }
    assert_eq!(names(folder.path()), ["link", "sub"]);
    assert_eq!(names(&at("sub")), ["build"]);
}

#[test]
fn what_is_no_file_is_written_to_and_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (sender, received) = mpsc::channel();
    let reader = pipe.clone();
    // It would wait for ever for a writer where the pipe were replaced.
    std::thread::spawn(move || sender.send(text(&reader)));
    files::write(&pipe, b"through").unwrap();
    assert_eq!(received.recv_timeout(Duration::from_secs(10)).as_deref(), Ok("through"));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn what_is_refused_or_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("build");
    type Look = fn(&Path) -> Result<()>;
    let write = |name: &'static str, content: &'static str, read_back: Look, may_replace: Look| {
        files::write_folder(&path, [(name, content.as_bytes())], read_back, may_replace)
    };
    write("a", "new", refuse, fine).unwrap_err();
    assert!(names(folder.path()).is_empty());
    write("a", "old", fine, fine).unwrap();
    write("a", "new", refuse, fine).unwrap_err();
    write("a", "new", fine, |old| {
        assert_eq!(text(&old.join("a")), "old", "it sees the old folder");
        Err(Error::input("test", "no"))
    })
    .unwrap_err();
    write("a/\0", "new", fine, fine).unwrap_err();
    assert_eq!(
        (text(&path.join("a")), names(folder.path())),
        ("old".into(), vec!["build".to_string()])
    );
    write("b", "new", fine, fine).unwrap();
    assert_eq!(
        (names(&path), names(folder.path())),
        (vec!["b".to_string()], vec!["build".to_string()])
    );
}

#[test]
fn only_what_dead_processes_left_is_tidied_away() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at(".strassenc-file"), "left").unwrap();
    fs::create_dir_all(at(".strassenc-folder/within")).unwrap();
    // Replaced in two steps, and killed before the second one; killed after it.
    for name in [".strassenc-old-build", ".strassenc-old-other", "other"] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("a"), name).unwrap();
    }
    fs::write(at(".mine"), "mine").unwrap();
    symlink(at(".mine"), at(".strassenc-link")).unwrap();
    let work = WorkFolder::new_in(folder.path()).unwrap();
    let held = File::create(at(".strassenc-held")).unwrap();
    held.lock().unwrap();
    files::tidy(folder.path());
    let at_work = work.path().file_name().unwrap().to_str().unwrap().to_string();
    let mut left = vec![".mine", ".strassenc-held", ".strassenc-link", &at_work, "build", "other"];
    left.sort();
    assert_eq!(names(folder.path()), left);
    assert_eq!(text(&at("build/a")), ".strassenc-old-build");
    assert_eq!(text(&at("other/a")), "other");
    // Not by closing it: the test beside this one starts a process, which may hold it open for a
    // moment.
    held.unlock().unwrap();
    drop((work, held));
    files::tidy(folder.path());
    assert_eq!(names(folder.path()), [".mine", ".strassenc-link", "build", "other"]);
}

/// Many threads that write into one folder, each of which tidies it before.
#[test]
fn whoever_writes_side_by_side_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let path = folder.path();
            scope.spawn(move || {
                for turn in 0..50 {
                    let content = format!("{thread} {turn}");
                    files::write(&path.join(format!("file-{thread}")), content.as_bytes()).unwrap();
                    let build = path.join(format!("build-{thread}"));
                    files::write_folder(&build, [("a", content.as_bytes())], fine, fine).unwrap();
                    assert_eq!(text(&build.join("a")), content);
                }
            });
        }
    });
    assert_eq!(names(folder.path()).len(), 16, "{:?}", names(folder.path()));
}
