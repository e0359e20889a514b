//! Lists that are longer than a page.

use maud::{Markup, html};

/// Which part of a list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// The page shown; the first is 1.
    pub page: u64,
    /// How many pages there are; at least 1.
    pub pages: u64,
    /// How many rows there are on all pages.
    pub total: u64,
    /// Whether that is all.
    pub extent: Extent,
}

/// Whether the length of a list is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// It is.
    Exact,
    /// It may be longer: not everything was looked at.
    AtLeast,
}

impl Paging {
    /// The paging of `total` rows, `rows` a page (at least 1), where `page` was asked for: brought into range.
    pub const fn of(total: u64, rows: u64, page: u64) -> Self {
        let pages = if total == 0 { 1 } else { total.div_ceil(rows) };
        let page = if page < 1 {
            1
        } else if page > pages {
            pages
        } else {
            page
        };
        Self { page, pages, total, extent: Extent::Exact }
    }

    /// The same of a list that may be longer.
    #[must_use]
    pub const fn at_least(self) -> Self {
        Self { extent: Extent::AtLeast, ..self }
    }

    /// Links to the pages before and after, if there are any; `address` makes the address of a page.
    pub(crate) fn links(self, address: impl Fn(u64) -> String) -> Markup {
        let Self { page, pages, extent, .. } = self;
        if pages <= 1 {
            return Markup::default();
        }
        html! {
            nav.paging aria-label="Pages of this list" {
                @if page > 1 { a.button rel="prev" href=(address(page - 1)) { "Previous" } }
                p { "Page " (page) @if extent == Extent::Exact { " of " (pages) } }
                @if page < pages { a.button rel="next" href=(address(page + 1)) { "Next" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, Paging};

    #[test]
    fn the_page_asked_for_is_brought_into_range() {
        let extent = Extent::Exact;
        assert_eq!(Paging::of(0, 25, 7), Paging { page: 1, pages: 1, total: 0, extent });
        assert_eq!(Paging::of(51, 25, 0), Paging { page: 1, pages: 3, total: 51, extent });
        assert_eq!(Paging::of(50, 25, 9), Paging { page: 2, pages: 2, total: 50, extent });
    }
}
