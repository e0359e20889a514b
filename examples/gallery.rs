//! Every page in every state, as files to look at: `cargo run --example gallery -- DIR [COLOR]`.
//!
//! The pages load their assets from `DIR/assets`, so they work straight from the disk. Their links lead nowhere.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to the terminal")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use vestibule_templates::samples::{Sample, Setting, samples};
use vestibule_templates::{Accent, assets};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (directory, accent) = match arguments.as_slice() {
        [directory] => (Path::new(directory), None),
        [directory, color] => match Accent::parse(color) {
            Some(accent) => (Path::new(directory), Some(accent)),
            None => return usage(),
        },
        _ => return usage(),
    };
    match write_gallery(directory, accent.as_ref()) {
        Ok(pages) => {
            println!("{pages} pages, listed in {}", directory.join("index.html").display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("can't write to {}: {error}", directory.display());
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: gallery DIR [COLOR]\n\nCOLOR is a site's accent color, #rgb or #rrggbb.");
    ExitCode::from(2)
}

fn write_gallery(directory: &Path, accent: Option<&Accent>) -> io::Result<usize> {
    let files = directory.join("assets");
    fs::create_dir_all(&files)?;
    for asset in assets() {
        fs::write(files.join(asset.name), asset.bytes)?;
    }
    if let Some(accent) = accent {
        fs::write(files.join(accent.name()), accent.css())?;
    }
    let samples = samples(Setting { assets: "assets", accent });
    for Sample { slug, page, .. } in &samples {
        fs::write(directory.join(format!("{slug}.html")), &page.0)?;
    }
    fs::write(directory.join("index.html"), index(&samples))?;
    Ok(samples.len())
}

fn index(samples: &[Sample]) -> String {
    let mut html =
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Gallery</title><h1>Gallery</h1><ul>"
            .to_owned();
    for Sample { slug, title, .. } in samples {
        let _ = write!(html, "<li><a href=\"{slug}.html\">{title}</a>");
    }
    html.push_str("</ul></html>\n");
    html
}
