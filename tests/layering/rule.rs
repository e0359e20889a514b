//! A boundary, and the sample that shows that it can be crossed.

use super::source::{names, names_in, read, root, sources};

/// What the files of one part of the source may name.
pub(crate) struct Rule {
    part: &'static str,
    except: Vec<&'static str>,
    modules: Option<Vec<&'static str>>,
    crates: Option<Vec<&'static str>>,
    avoided: Vec<String>,
}

impl Rule {
    /// For every file whose path begins like this.
    pub(crate) fn of(part: &'static str) -> Self {
        Self { part, except: Vec::new(), modules: None, crates: None, avoided: Vec::new() }
    }

    /// These modules of this crate, and no others.
    pub(crate) fn knows(self, modules: &[&'static str]) -> Self {
        Self { modules: Some(modules.to_vec()), ..self }
    }

    /// These other crates, and no others.
    pub(crate) fn and_crates(self, crates: &[&'static str]) -> Self {
        Self { crates: Some(crates.to_vec()), ..self }
    }

    /// None of these.
    pub(crate) fn avoids(self, avoided: &[&str]) -> Self {
        Self { avoided: avoided.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    pub(crate) fn except(self, except: &[&'static str]) -> Self {
        Self { except: except.to_vec(), ..self }
    }

    #[track_caller]
    pub(crate) fn holds(&self) {
        let files: Vec<_> = sources().into_iter().filter(|file| self.is_for(file)).collect();
        assert!(!files.is_empty(), "nothing begins with {:?}", self.part);
        let broken: Vec<_> = files
            .iter()
            .flat_map(|file| {
                names(file).into_iter().filter(|name| self.forbids(name)).map(move |n| format!("{file}: {n}"))
            })
            .collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }

    /// Fails unless the rule would notice this text in one of its files.
    #[track_caller]
    pub(crate) fn catches(&self, sample: &str) {
        let folder = if self.part.is_empty() { "sample" } else { self.part.trim_end_matches("/mod.rs") };
        let found = names_in(&format!("{folder}/sample.rs"), sample);
        assert!(found.iter().any(|name| self.forbids(name)), "{sample:?} passes: {found:?}");
    }

    fn is_for(&self, file: &str) -> bool {
        let below = |part: &str| {
            file.strip_prefix(part)
                .is_some_and(|rest| part.is_empty() || rest.is_empty() || rest.starts_with(['/', '.']))
        };
        below(self.part) && !self.except.iter().any(|part| below(part))
    }

    fn forbids(&self, name: &str) -> bool {
        if self.avoided.iter().any(|avoided| is_within(name, avoided)) {
            return true;
        }
        match (name.strip_prefix("crate::"), &self.modules, &self.crates) {
            (Some(path), Some(modules), _) => !modules.iter().any(|module| is_within(path, module)),
            (None, _, Some(crates)) => {
                let head = name.split("::").next().unwrap_or_default();
                is_crate(head) && !crates.contains(&head)
            }
            _ => false,
        }
    }
}

/// Whether `name` is that module or crate, or something in it.
pub(crate) fn is_within(name: &str, module: &str) -> bool {
    name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Whether a path that begins so leads into another crate: modules that were brought into scope begin paths too.
fn is_crate(head: &str) -> bool {
    let ours = dependencies(&read(&root().join("Cargo.toml")));
    // Crates that are not there yet, and should not come unnoticed.
    let others = ["std", "core", "alloc", "maud", "rand", "sqlx", "axum", "tower", "reqwest", "chrono", "time"];
    others.contains(&head) || ours.iter().any(|name| name.replace('-', "_") == head)
}

/// The names of the crates that a manifest lists under `[dependencies]`.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let section = manifest.split("\n[").find(|section| section.starts_with("dependencies]")).unwrap_or_default();
    let lines = section.lines().skip(1).filter(|line| !line.trim_start().starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim().to_owned()).collect()
}
