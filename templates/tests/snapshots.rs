//! Every page in every state, against the text it had when somebody last looked at it.
//!
//! After a change that is meant: `UPDATE_SNAPSHOTS=1 cargo test -p vestibule-templates`, then read the difference. Plain
//! files, one tag a line, say all that a snapshot library would, and are not one more dependency.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use vestibule_templates::assets;
use vestibule_templates::samples::{Sample, Setting, samples};

#[test]
fn every_page_in_every_state_is_as_it_was() {
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut changed = Vec::new();
    for Sample { slug, page, .. } in samples(Setting::default()) {
        let file = directory().join(format!("{slug}.html"));
        let page = readable(&page.0);
        if update {
            fs::write(&file, page).expect("the snapshot can be written");
        } else if fs::read_to_string(&file).ok().as_deref() != Some(page.as_str()) {
            changed.push(slug);
        }
    }
    assert!(changed.is_empty(), "changed, or never looked at: {changed:?} (UPDATE_SNAPSHOTS=1 takes them as they are)");
}

#[test]
fn there_is_no_snapshot_of_a_page_that_is_no_more() {
    let pages: BTreeSet<String> =
        samples(Setting::default()).iter().map(|sample| format!("{}.html", sample.slug)).collect();
    let files = fs::read_dir(directory()).expect("there are snapshots");
    let left_over: Vec<String> = files
        .map(|file| file.expect("a file of the directory").file_name().to_string_lossy().into_owned())
        .filter(|name| !pages.contains(name))
        .collect();
    assert!(left_over.is_empty(), "{left_over:?}");
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots")
}

/// One tag a line, and the assets without their hashes: a new color is no new page.
fn readable(page: &str) -> String {
    let mut page = page.replace("><", ">\n<") + "\n";
    for asset in assets() {
        let (stem, rest) = asset.name.split_once('-').expect("a stem and a hash");
        let (_, extension) = rest.split_once('.').expect("a hash and an extension");
        page = page.replace(asset.name, &format!("{stem}.{extension}"));
    }
    page
}
