//! The seeds of every target, in the suite; and what a target is made of.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::TARGETS;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every file in a folder and in the folders in it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(Path::new(ROOT).join(folder)).expect("a folder").map(|entry| entry.expect("an entry"));
    let name = |path: PathBuf| path.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
    entries.map(|entry| name(entry.path())).collect()
}

#[test]
fn every_promise_holds_for_every_seed_and_every_captured_body() {
    let (root, mut broken) = (Path::new(ROOT), Vec::new());
    for (name, property) in TARGETS {
        for file in [root.join("fuzz/seeds").join(name), root.join("tests/fixtures")].iter().flat_map(|at| files(at)) {
            let bytes = fs::read(&file).expect("a seed");
            if catch_unwind(|| property(&bytes)).is_err() {
                broken.push(format!("{name}: {}", file.display()));
            }
        }
    }
    assert!(broken.is_empty(), "what was promised is above\n{}", broken.join("\n"));
}

#[test]
fn every_target_has_its_seeds_its_program_and_its_row() {
    let own: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!((names("fuzz/seeds"), names("fuzz/fuzz_targets")), (own.clone(), own));
    let [manifest, page] = ["fuzz/Cargo.toml", "docs/fuzzing.md"]
        .map(|file| fs::read_to_string(Path::new(ROOT).join(file)).expect("text"));
    for (name, _) in TARGETS {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        assert!(page.contains(&format!("\n| `{name}` |")), "{name}");
    }
}
