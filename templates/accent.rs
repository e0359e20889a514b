//! A site's own color, and the small stylesheet that brings it to the pages.

use crate::assets::fnv1a;

/// A site's color and the stylesheet made of it: `accent-<hash>.css`, to be served beside [`assets`](crate::assets()).
///
/// Whatever the color, text on it and text in it have a contrast of at least 4.5 in the light and in the dark scheme
/// (WCAG 2.2, 1.4.3), and buttons have an edge of the latter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accent {
    name: String,
    css: String,
}

impl Accent {
    /// Reads `#rgb` or `#rrggbb`; `None` for anything else.
    pub fn parse(color: &str) -> Option<Self> {
        let color = Rgb::parse(color)?;
        let light = Shades::of(color, color, Scheme::LIGHT).css();
        let fill = if contrast(color, Scheme::DARK.surface) < 3.0 { color.readable(Scheme::DARK) } else { color };
        let dark = Shades::of(color, fill, Scheme::DARK).css();
        let css = format!(":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n");
        Some(Self { name: format!("accent-{:016x}.css", fnv1a(css.as_bytes())), css })
    }

    /// The file name of the stylesheet, which changes with its content.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stylesheet, to be served as `text/css; charset=utf-8`.
    pub fn css(&self) -> &str {
        &self.css
    }
}

/// A color scheme of the main stylesheet.
#[derive(Clone, Copy)]
struct Scheme {
    /// The background that is hardest to read on: the darkest of the light ones, the lightest of the dark ones.
    surface: Rgb,
    /// What a color is mixed with to be read on it.
    toward: Rgb,
}

impl Scheme {
    /// `--sunken` of the light scheme.
    const LIGHT: Self = Self { surface: Rgb(0xec, 0xee, 0xea), toward: Rgb::BLACK };
    /// `--sunken` of the dark scheme.
    const DARK: Self = Self { surface: Rgb(0x25, 0x2b, 0x29), toward: Rgb::WHITE };
}

/// What the main stylesheet wants to know of an accent.
struct Shades {
    fill: Rgb,
    on_fill: Rgb,
    hover: Rgb,
    ink: Rgb,
}

impl Shades {
    fn of(color: Rgb, fill: Rgb, scheme: Scheme) -> Self {
        let on_fill = if contrast(fill, Rgb::WHITE) >= 4.5 { Rgb::WHITE } else { Rgb::BLACK };
        let away = if on_fill == Rgb::WHITE { Rgb::BLACK } else { Rgb::WHITE };
        Self { fill, on_fill, hover: fill.mixed(away, 15), ink: color.readable(scheme) }
    }

    fn css(&self) -> String {
        let Self { fill, on_fill, hover, ink } = self;
        format!(
            "--accent:{};--on-accent:{};--accent-hover:{};--accent-ink:{}",
            fill.css(),
            on_fill.css(),
            hover.css(),
            ink.css()
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rgb(u8, u8, u8);

impl Rgb {
    const BLACK: Self = Self(0, 0, 0);
    const WHITE: Self = Self(255, 255, 255);

    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#')?.chars().map(|c| c.to_digit(16)).collect::<Option<Vec<_>>>()?;
        let byte = |high: u32, low: u32| u8::try_from(high * 16 + low).ok();
        match digits[..] {
            [r, g, b] => Some(Self(byte(r, r)?, byte(g, g)?, byte(b, b)?)),
            [r, rr, g, gg, b, bb] => Some(Self(byte(r, rr)?, byte(g, gg)?, byte(b, bb)?)),
            _ => None,
        }
    }

    fn css(self) -> String {
        format!("#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }

    /// The color with `percent` of another in it.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let mix = |a: u8, b: u8| {
            let sum = u16::from(a) * (100 - percent) + u16::from(b) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// The shade nearest to the color that can be read on the scheme's backgrounds.
    fn readable(self, scheme: Scheme) -> Self {
        (0..=100)
            .map(|percent| self.mixed(scheme.toward, percent))
            .find(|shade| contrast(*shade, scheme.surface) >= 4.5)
            .unwrap_or(scheme.toward)
    }

    /// Relative luminance (WCAG 2.2).
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

/// Contrast ratio (WCAG 2.2): 1 to 21.
fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (a.luminance() + 0.05, b.luminance() + 0.05);
    if a > b { a / b } else { b / a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_or_six_hexadecimal_digits_are_a_color() {
        assert_eq!(Rgb::parse("#1aF"), Some(Rgb(0x11, 0xaa, 0xff)));
        assert_eq!(Rgb::parse("#0b6b5D"), Some(Rgb(0x0b, 0x6b, 0x5d)));
        for bad in ["", "#", "0b6b5d", "#12", "#1234", "#12345", "#1234567", "#ggg", "red", "#fff;}", "#+12"] {
            assert!(Accent::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn every_color_can_be_read_and_read_on_in_both_schemes() {
        let step = |n: u16| [0, 0x33, 0x66, 0x77, 0x99, 0xcc, 0xff][usize::from(n % 7)];
        for n in 0..7 * 7 * 7 {
            let (r, g, b) = (step(n), step(n / 7), step(n / 49));
            let color = Rgb(r, g, b);
            for scheme in [Scheme::LIGHT, Scheme::DARK] {
                for fill in [color, color.readable(scheme)] {
                    let shades = Shades::of(color, fill, scheme);
                    assert!(contrast(shades.on_fill, shades.fill) >= 4.5, "on {}", color.css());
                    assert!(contrast(shades.on_fill, shades.hover) >= 4.5, "on hovered {}", color.css());
                    assert!(contrast(shades.ink, scheme.surface) >= 4.5, "in {}", color.css());
                }
            }
        }
    }

    #[test]
    fn the_surfaces_are_those_of_the_stylesheet() {
        let css = include_str!("assets/vestibule.css");
        for scheme in [Scheme::LIGHT, Scheme::DARK] {
            assert!(css.contains(&format!("--sunken: {};", scheme.surface.css())), "{}", scheme.surface.css());
        }
    }

    #[test]
    fn the_colors_of_the_stylesheet_can_be_read_on_its_backgrounds() {
        let css = include_str!("assets/vestibule.css");
        let (light, rest) = css.split_once("prefers-color-scheme: dark").expect("there is a dark scheme");
        for scheme in [light, rest] {
            let color = |name: &str| {
                let (_, value) = scheme.split_once(&format!("--{name}: ")).expect("the color is defined");
                Rgb::parse(&value[..7]).expect("it is written with six digits")
            };
            let apart = |ink: &str, surface: &str, least: f64| {
                let found = contrast(color(ink), color(surface));
                assert!(found >= least, "--{ink} on --{surface}: {found:.2}");
            };
            for surface in ["page", "surface", "sunken"] {
                for ink in ["ink", "quiet", "accent-ink"] {
                    apart(ink, surface, 4.5);
                }
                apart("edge", surface, 3.0);
            }
            for (ink, surface) in [("on-accent", "accent"), ("on-accent", "accent-hover"), ("on-bad", "bad")] {
                apart(ink, surface, 4.5);
            }
            for kind in ["good", "warn", "bad"] {
                apart(kind, &format!("{kind}-soft"), 4.5);
                apart("ink", &format!("{kind}-soft"), 4.5);
            }
        }
    }

    #[test]
    fn another_color_has_another_name() {
        let name = |color| Accent::parse(color).expect("a color").name().to_owned();
        assert_eq!(name("#abc"), name("#aabbcc"));
        assert_ne!(name("#abc"), name("#abd"));
    }
}
