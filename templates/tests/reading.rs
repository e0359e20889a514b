//! What holds for every page, as a browser and a screen reader find it.

use std::collections::HashSet;

use scraper::{ElementRef, Html, Selector};
use vestibule_templates::Accent;
use vestibule_templates::samples::{Setting, samples};

/// Every sample, parsed.
fn pages() -> Vec<(&'static str, Html)> {
    let accent = Accent::parse("#7a1fa2");
    let setting = Setting { accent: accent.as_ref(), ..Setting::default() };
    samples(setting).into_iter().map(|sample| (sample.slug, Html::parse_document(&sample.page.0))).collect()
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    let selector = Selector::parse(selector).expect("the selector is well-formed");
    page.select(&selector).collect()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().trim().to_owned()
}

/// Every value of these attributes.
fn values<'a>(page: &'a Html, attributes: &[&str]) -> Vec<&'a str> {
    all(page, "*").iter().flat_map(|element| attributes.iter().filter_map(|name| element.attr(name))).collect()
}

#[test]
fn every_page_is_well_formed() {
    for (slug, page) in pages() {
        assert!(page.errors.is_empty(), "{slug}: {:?}", page.errors);
    }
}

#[test]
fn nothing_on_a_page_needs_leave_from_the_content_security_policy() {
    for (slug, page) in pages() {
        assert!(all(&page, "style, base, iframe, object, embed, meta[http-equiv]").is_empty(), "{slug}");
        assert!(
            all(&page, "script").iter().all(|script| script.attr("src").is_some() && text(*script).is_empty()),
            "{slug}"
        );
        for element in all(&page, "*") {
            for (name, _) in element.value().attrs() {
                assert!(name != "style" && !name.starts_with("on"), "{slug}: {name}");
            }
        }
    }
}

#[test]
fn every_link_and_every_file_is_of_the_same_site() {
    for (slug, page) in pages() {
        for address in values(&page, &["href", "src", "data-cancel", "action", "formaction"]) {
            let local = address.starts_with('/') && !address.starts_with("//");
            assert!(local || address.starts_with('#') || address.starts_with("otpauth://totp/"), "{slug}: {address}");
        }
    }
}

#[test]
fn every_form_goes_to_the_gateway() {
    for (slug, page) in pages() {
        for form in all(&page, "form") {
            let action = form.attr("action").unwrap_or_default();
            assert!(action.starts_with("/_2fa/"), "{slug}: {action}");
            assert!(matches!(form.attr("method"), Some("get" | "post")), "{slug}: {action}");
        }
    }
}

#[test]
fn every_page_has_a_title_a_language_one_heading_and_one_main_part() {
    for (slug, page) in pages() {
        let title = all(&page, "head > title").iter().map(|title| text(*title)).collect::<String>();
        assert!(title.ends_with(" · Acme Insights"), "{slug}: {title}");
        assert_eq!(all(&page, "html[lang=en]").len(), 1, "{slug}");
        assert_eq!(all(&page, "main").len(), 1, "{slug}");
        let headings = all(&page, "h1");
        assert_eq!(headings.len(), 1, "{slug}");
        assert!(title.contains(&text(headings[0])) || slug.starts_with("settings"), "{slug}: {title}");
    }
}

#[test]
fn every_id_is_given_once_and_every_id_that_is_named_exists() {
    for (slug, page) in pages() {
        let ids = values(&page, &["id"]);
        let unique: HashSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), unique.len(), "{slug}: {ids:?}");
        let named = values(&page, &["for", "form", "aria-labelledby", "aria-describedby"]);
        let targets = values(&page, &["href", "data-copy", "data-download"]);
        let targets = targets.into_iter().filter_map(|target| target.strip_prefix('#'));
        for id in named.into_iter().flat_map(str::split_whitespace).chain(targets) {
            assert!(unique.contains(id), "{slug}: {id}");
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_button_and_link_a_name() {
    for (slug, page) in pages() {
        let labelled: HashSet<&str> = all(&page, "label").iter().filter_map(|label| label.attr("for")).collect();
        for field in all(&page, "input:not([type=hidden]), select, textarea") {
            let id = field.attr("id").unwrap_or_default();
            assert!(labelled.contains(id), "{slug}: {id}");
        }
        for control in all(&page, "button, a, summary") {
            let named = !text(control).is_empty() || control.attr("aria-label").is_some_and(|name| !name.is_empty());
            assert!(named, "{slug}: {}", control.html());
        }
    }
}

#[test]
fn a_page_takes_the_focus_in_one_place_at_most() {
    for (slug, page) in pages() {
        assert!(all(&page, "[autofocus]").len() <= 1, "{slug}");
    }
}

#[test]
fn a_refusal_is_said_at_once_and_again_at_the_field() {
    let refused: Vec<_> = pages().into_iter().filter(|(slug, _)| slug.ends_with("-refused")).collect();
    assert!(refused.len() >= 6, "{} pages", refused.len());
    for (slug, page) in refused {
        let alerts = all(&page, "[role=alert]");
        assert_eq!(alerts.len(), 1, "{slug}");
        let field = all(&page, "input[autofocus][aria-invalid=true]");
        assert_eq!(field.len(), 1, "{slug}");
        let described_by = field[0].attr("aria-describedby").unwrap_or_default();
        assert!(described_by.split(' ').any(|id| Some(id) == alerts[0].attr("id")), "{slug}: {described_by}");
        assert!(all(&page, "head > title").iter().any(|title| text(*title).starts_with("Error: ")), "{slug}");
    }
}

#[test]
fn what_a_dialog_covers_can_not_be_reached() {
    for (slug, page) in pages() {
        let dialogs = all(&page, "dialog");
        assert_eq!(dialogs.len(), usize::from(slug.starts_with("reset") || slug.starts_with("limited")), "{slug}");
        for dialog in dialogs {
            assert_eq!(dialog.attr("role"), Some("alertdialog"), "{slug}");
            let reachable = all(&page, "a[href], button, input:not([type=hidden]), summary").into_iter();
            let outside = reachable.filter(|control| {
                let covered = |element: ElementRef<'_>| element == dialog || element.attr("inert").is_some();
                !control.ancestors().filter_map(ElementRef::wrap).any(covered)
            });
            assert_eq!(outside.count(), 0, "{slug}");
        }
    }
}
