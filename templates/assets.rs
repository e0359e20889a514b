//! The stylesheet, the script and the icon, under names that change with their content.

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
    &[]
}
