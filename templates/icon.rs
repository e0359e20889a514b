//! Icons: drawn on a grid of 24, in the color of the text around them, hidden from screen readers.

use maud::{Markup, html};

/// One icon.
#[derive(Clone, Copy)]
pub(crate) enum Icon {
    Alert,
    ArrowLeft,
    Check,
    Chevron,
    Clock,
    Close,
    Copy,
    Door,
    Download,
    Key,
    Laptop,
    Lock,
    Phone,
    Print,
    Reset,
    Search,
    Shield,
    ShieldOff,
}

impl Icon {
    const fn path(self) -> &'static str {
        match self {
            Self::Alert => "M12 3.5 2.5 20h19zM12 10v4M12 17v.1",
            Self::ArrowLeft => "M20 12H5M11 6l-6 6 6 6",
            Self::Check => "M4.5 12.5l5 5 10-11",
            Self::Chevron => "M9 6l6 6-6 6",
            Self::Clock => "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3.5 2",
            Self::Close => "M6 6l12 12M18 6 6 18",
            Self::Copy => "M9 9h11v11H9zM5 15H4V4h11v1",
            Self::Door => "M4 21V11a8 8 0 0 1 16 0v10M8.5 21v-8.5a3.5 3.5 0 0 1 7 0V21M2.5 21h19",
            Self::Download => "M12 4v11M7 10.5l5 5 5-5M4 20h16",
            Self::Key => "M8 11a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM11.3 12.2 20 3.5M16 7.5l3 3",
            Self::Laptop => "M5 5h14v10H5zM2.5 19h19",
            Self::Lock => "M5 11h14v10H5zM8 11V7.5a4 4 0 0 1 8 0V11M12 15v2",
            Self::Phone => "M7 2.5h10v19H7zM11 18.5h2",
            Self::Print => "M7 8V3h10v5M7 17H4V8h16v9h-3M7 14h10v7H7z",
            Self::Reset => "M4 4.5v5h5M4.6 9.5A8.2 8.2 0 1 1 4 14",
            Self::Search => "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.5 15.5 21 21",
            Self::Shield => "M12 3l8 3v6c0 4.5-3.3 7.8-8 9-4.7-1.2-8-4.5-8-9V6zM8.5 12l2.5 2.5 4.5-5",
            Self::ShieldOff => "M12 3l8 3v6c0 4.5-3.3 7.8-8 9-4.7-1.2-8-4.5-8-9V6zM9 9.5l6 5M15 9.5l-6 5",
        }
    }
}

/// The icon, as large as the text around it.
pub(crate) fn icon(icon: Icon) -> Markup {
    html! {
        svg.icon viewBox="0 0 24 24" aria-hidden="true" focusable="false" { path d=(icon.path()) {} }
    }
}
