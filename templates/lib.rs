//! Vestibule's pages: views in, HTML out.
