//! Texts with places in them that are filled in.

/// A text in which each `«name»` is replaced by its value.
///
/// A place that is alone on its line takes all lines of its value, each as far from the margin as the place; without any,
/// its line is left out.
pub(super) fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut filled = String::with_capacity(text.len() * 2);
    for line in text.lines() {
        let place = line.trim_start();
        let margin = &line[..line.len() - place.len()];
        let alone = place.strip_prefix('«').and_then(|rest| rest.strip_suffix('»')).filter(|name| !name.contains('»'));
        let Some(name) = alone else {
            filled.push_str(&replaced(line, values));
            filled.push('\n');
            continue;
        };
        for line in value(name, values).lines() {
            filled.push_str(if line.is_empty() { "" } else { margin });
            filled.push_str(line);
            filled.push('\n');
        }
    }
    filled
}

fn replaced(line: &str, values: &[(&str, &str)]) -> String {
    let mut parts = line.split('«');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('»').expect("the texts are ours, and close what they open");
        whole.push_str(value(name, values));
        whole.push_str(rest);
    }
    whole
}

fn value<'a>(name: &str, values: &[(&str, &'a str)]) -> &'a str {
    let found = values.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("nothing is said of «{name}»")).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_where_they_stand() {
        let text = "a «x» c«y»\n  «lines»\n  «none»\nend\n";
        let filled = fill(text, &[("x", "b"), ("y", "!"), ("lines", "1\n\n 2"), ("none", "")]);
        assert_eq!(filled, "a b c!\n  1\n\n   2\nend\n");
    }

    #[test]
    #[should_panic(expected = "nothing is said of «y»")]
    fn a_place_of_which_nothing_is_said_is_a_mistake_of_ours() {
        fill("«y» z", &[("x", "b")]);
    }
}
