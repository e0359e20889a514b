//! The stylesheet, the script and the icon, under names that change with their content.

use std::sync::LazyLock;

/// A file that the pages load.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its file name, which changes with its content, so that it can be cached for ever.
    pub name: &'static str,
    /// What to serve it as.
    pub content_type: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
}

/// Every file the pages load; a site's [`Accent`](crate::Accent) comes on top.
pub fn assets() -> &'static [Asset] {
    static ALL: LazyLock<[Asset; 3]> = LazyLock::new(|| [STYLESHEET, SCRIPT, ICON].map(Source::named));
    &*ALL
}

pub(crate) fn stylesheet() -> &'static str {
    assets()[0].name
}

pub(crate) fn script() -> &'static str {
    assets()[1].name
}

pub(crate) fn icon() -> &'static str {
    assets()[2].name
}

struct Source {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const STYLESHEET: Source = Source {
    stem: "vestibule",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    bytes: include_bytes!("assets/vestibule.css"),
};
const SCRIPT: Source = Source {
    stem: "vestibule",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    bytes: include_bytes!("assets/vestibule.js"),
};
const ICON: Source =
    Source { stem: "icon", extension: "svg", content_type: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") };

impl Source {
    fn named(self) -> Asset {
        let Self { stem, extension, content_type, bytes } = self;
        let name = format!("{stem}-{:016x}.{extension}", fnv1a(bytes));
        Asset { name: name.leak(), content_type, bytes } // three names, made once
    }
}

/// FNV-1a, 64 bits: tells one release's file from another's. Nobody but us chooses the content.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_pages_load_files_that_exist() {
        let names: Vec<&str> = assets().iter().map(|asset| asset.name).collect();
        assert_eq!(names, [stylesheet(), script(), icon()]);
        assert!(names[0].starts_with("vestibule-"), "{names:?}");
    }
}
