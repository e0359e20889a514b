use super::*;

/// Lines as they were received.
fn received(lines: &[(&str, &str)]) -> Fields {
    let all: Vec<&str> = lines.iter().map(|(_, value)| *value).collect();
    let bytes = Bytes::from(all.concat());
    let mut rest = &*bytes;
    let lines = lines.iter().map(|(name, value)| {
        let (value, after) = rest.split_at(value.len());
        rest = after;
        (*name, value)
    });
    Fields::of_received(bytes.clone(), lines)
}

fn lines(fields: &Fields) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect()
}

fn expected(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Names that nearly everybody uses, and others, in some spellings.
const SENT: [(&str, &str); 6] =
    [("Host", "a"), ("Cookie", "b=1"), ("X-Other", ""), ("COOKIE", "c=2"), ("x-OTHER", "d"), ("te", "e")];

#[test]
fn lines_are_found_by_their_names_in_their_order() {
    let fields = received(&SENT);
    let all = |name: &str| fields.get_all(name).map(|value| value.to_str().expect("text")).collect::<Vec<_>>();
    assert_eq!(
        (all("host"), all("cookie"), all("x-other"), all("te")),
        (vec!["a"], vec!["b=1", "c=2"], vec!["", "d"], vec!["e"])
    );
    assert_eq!(fields.get_all("cookie").rev().collect::<Vec<_>>(), ["c=2", "b=1"]);
    assert!(all("accept").is_empty() && all("x-othex").is_empty() && all("t").is_empty() && all("").is_empty());
    assert_eq!((fields.get("cookie").expect("the first"), fields.get("accept")), (Value(b"b=1"), None));
    assert!(fields.contains_key("x-other") && !fields.contains_key("x-another"));
    let only = ["host", "cookie", "accept"].map(|name| fields.only(name));
    assert_eq!(only, [Ok(Some(Value(b"a"))), Err(Several), Ok(None)]);
    assert_eq!(
        fields.keys().map(Name::as_str).collect::<Vec<_>>(),
        ["host", "cookie", "x-other", "cookie", "x-other", "te"]
    );
}

#[test]
fn what_is_inserted_takes_the_place_of_all_there_were() {
    for (name, value) in [("cookie", "new"), ("x-other", ""), ("host", "h"), ("x-vestibule-user", "u"), ("x-new", "n")]
    {
        let mut fields = received(&SENT);
        fields.insert(name, Value(value.as_bytes()));
        assert_eq!(fields.get_all(name).collect::<Vec<_>>(), [value], "{name}");
        let others = |fields: &Fields| lines(fields).into_iter().filter(|(other, _)| other != name).collect::<Vec<_>>();
        assert_eq!(others(&fields), others(&received(&SENT)), "{name}");
        fields.append(name, Value(b"more"));
        assert_eq!(fields.get_all(name).collect::<Vec<_>>(), [value, "more"], "{name}");
        fields.remove(name);
        assert!(!fields.contains_key(name) && others(&fields) == others(&received(&SENT)), "{name}");
    }
}

#[test]
fn a_copy_is_the_first_value_of_the_other_name() {
    let mut fields = received(&SENT);
    fields.copy("cookie", "x-forwarded-host");
    fields.copy("accept", "host");
    fields.insert("cookie", Value(b"new"));
    let values = ["x-forwarded-host", "host", "cookie"].map(|name| fields.get(name).expect("one"));
    assert_eq!(values, ["b=1", "", "new"]);
}

#[test]
fn lines_are_kept_dropped_and_changed_each_by_itself() {
    let mut fields = received(&SENT);
    fields.retain(|name, value| &*name != "x-other" || value.as_bytes().is_empty());
    fields.change("cookie", |value| match value.as_bytes() {
        b"b=1" => Change::Put(HeaderValue::from_static("changed")),
        _ => Change::Drop,
    });
    fields.change("te", |_| Change::Keep);
    fields.change("accept", |_| panic!("there is none"));
    assert_eq!(lines(&fields), expected(&[("host", "a"), ("cookie", "changed"), ("x-other", ""), ("te", "e")]));
}

#[test]
fn what_is_narrowed_is_a_part_of_what_it_was() {
    let mut fields = received(&SENT);
    fields.append("cookie", Value(b"put=3"));
    let mut narrow = |part: Range<usize>| {
        fields.change("cookie", |_| Change::Narrow(part.clone()));
        fields.get_all("cookie").map(|value| value.to_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(narrow(0..3), ["b=1", "c=2", "put"]);
    assert_eq!(narrow(1..3), ["=1", "=2", "ut"]);
    assert_eq!(narrow(1..2), ["1", "2", "t"]);
    assert_eq!(narrow(1..1), ["", "", ""]);
    fields.remove("cookie");
    assert_eq!(lines(&fields), expected(&[("host", "a"), ("x-other", ""), ("x-other", "d"), ("te", "e")]));
}

#[test]
#[should_panic(expected = "0..2 is a part of 1 bytes")]
fn what_is_narrowed_does_not_reach_beyond_its_end() {
    received(&SENT).change("host", |_| Change::Narrow(0..2));
}

#[test]
fn a_copy_of_shared_lines_is_known_until_it_is_changed() {
    let mut fields = received(&SENT);
    assert!(fields.clone_if_shared().is_none() && !fields.is_copy_of(&fields.clone()));
    fields.share();
    let changes: [fn(&mut Fields); 7] = [
        |fields| fields.append("te", Value(b"1")),
        |fields| fields.insert("host", Value(b"b")),
        |fields| fields.copy("cookie", "x-forwarded-host"),
        |fields| fields.remove("x-other"),
        |fields| fields.retain(|name, _| &*name != "cookie"),
        |fields| fields.change("te", |_| Change::Drop),
        |fields| fields.append("x-more", Value(b"1")),
    ];
    for change in changes {
        let mut copy = fields.clone_if_shared().expect("a copy");
        copy.share();
        copy.remove("x-absent");
        copy.change("cookie", |_| Change::Keep);
        assert!(copy.is_copy_of(&fields) && copy == fields);
        change(&mut copy);
        assert!(!copy.is_copy_of(&fields) && !fields.is_copy_of(&copy) && copy.clone_if_shared().is_none());
        let mut own = received(&SENT);
        assert_eq!(fields, own, "what it was copied from stays as it was");
        change(&mut own);
        assert_eq!(copy, own);
        for name in ["cookie", "te", "x-other", "x-more"] {
            assert!(copy.get_all(name).eq(own.get_all(name)) && copy.only(name) == own.only(name), "{name}");
        }
    }
    let mut equal = received(&SENT);
    equal.share();
    assert!(equal == fields && !equal.is_copy_of(&fields));
}

#[test]
fn shared_lines_are_written_once() {
    let mut fields = received(&SENT);
    assert_eq!(fields.written(|| panic!("they may change")), None);
    fields.share();
    for (copy, how) in [(fields.clone(), "first"), (fields.clone(), "again"), (fields.clone(), "and again")] {
        assert_eq!(copy.written(|| how.into()), Some(&b"first"[..]));
    }
    let mut changed = fields.clone();
    changed.insert("te", Value(b""));
    changed.share();
    assert_eq!(changed.written(|| b"other".into()), Some(&b"other"[..]));
}

#[test]
fn a_map_has_the_same_lines() {
    let fields = received(&SENT);
    let map = fields.to_map();
    let names = ["host", "cookie", "x-other", "te", "accept"];
    for name in names {
        assert!(
            map.get_all(name).iter().eq(fields.get_all(name).map(Value::to_owned).collect::<Vec<_>>().iter()),
            "{name}"
        );
    }
    let back = Fields::from(&map);
    assert!(names.iter().all(|name| back.get_all(name).eq(fields.get_all(name))) && back.len() == fields.len());
}

#[test]
fn a_value_that_was_not_received_is_copied() {
    let bytes = Bytes::from_static(b"received");
    let parsed = [("a", &b"elsewhere"[..]), ("b", &bytes[..3])];
    let fields = Fields::of_received(bytes.clone(), parsed.into_iter());
    assert_eq!(lines(&fields), expected(&[("a", "elsewhere"), ("b", "rec")]));
}

/// Some share a place, and there are more lines than a place can say.
#[test]
fn whatever_was_added_and_removed_a_name_is_found_where_it_is() {
    let names: Vec<String> = (0..300).map(|number| format!("x-{number}")).collect();
    for step in [1, 7, 101] {
        let mut fields = Fields::new();
        let mut left: Vec<&str> = Vec::new();
        let check = |fields: &Fields, left: &[&str]| {
            for name in &names {
                let lines = left.iter().filter(|other| *other == name).count();
                assert!(fields.get_all(name).count() == lines && fields.contains_key(name) == (lines > 0), "{name}");
                assert!(fields.get_all(name).all(|value| value == **name) && fields.only(name).is_err() == (lines > 1));
            }
        };
        for number in 0..600 {
            let name = &names[number * step % names.len()];
            fields.append(&**name, Value(name.as_bytes()));
            left.push(name);
            if number % 50 == 49 {
                check(&fields, &left);
            }
        }
        for number in (0..names.len()).step_by(9) {
            let name = &names[number];
            match number % 4 {
                0 => fields.remove(name),
                1 => fields.change(name, |_| Change::Drop),
                2 => fields.retain(|other, _| *other != **name),
                _ => fields.insert(&**name, Value(name.as_bytes())),
            }
            let first = left.iter().position(|other| other == name).expect("it is there");
            let mut place = 0;
            left.retain(|other| {
                place += 1;
                other != name || number % 4 == 3 && place == first + 1
            });
            check(&fields, &left);
            fields.append(&**name, Value(name.as_bytes()));
            left.push(name);
            check(&fields, &left);
            assert!(fields.keys().map(Name::as_str).eq(left.iter().copied()));
        }
    }
}

#[test]
fn a_line_is_found_however_many_are_before_it_or_were() {
    let names = ["a", "b", "c", "d", "e"];
    for is_shared in [false, true] {
        let mut fields = received(&names.map(|name| (name, name)));
        for (gone, name) in names.iter().enumerate() {
            assert!(names[gone..].iter().all(|left| fields.get(left).is_some_and(|value| value == *left)), "{name}");
            if is_shared {
                fields.share();
            }
            fields.remove(name);
        }
    }
    for count in 250..260 {
        let lines = [vec![("a", ""); count], vec![("b", "b")]].concat();
        assert_eq!(received(&lines).get("b"), Some(Value(b"b")), "{count}");
    }
}

#[test]
fn names_that_only_begin_and_end_alike_are_told_apart() {
    let names = ["sec-fetch-mode", "sec-vetch-mode", "x-abcde-fghi", "x-abxde-fghi", "abc", "abd", "ab", "a"];
    let fields = received(&names.map(|name| (name, name)));
    for name in names {
        assert_eq!(fields.get_all(name).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn a_value_is_what_a_map_takes_for_one() {
    for byte in 0..=u8::MAX {
        let bytes = [b'a', byte];
        assert_eq!(
            Value::of(&bytes).map(Value::as_bytes),
            HeaderValue::from_bytes(&bytes).ok().as_ref().map(HeaderValue::as_bytes)
        );
    }
}

#[test]
fn text_is_visible_ascii() {
    let text = |bytes: &'static [u8]| Value(bytes).to_str();
    assert_eq!((text(b"a b\t~"), text(b"")), (Some("a b\t~"), Some("")));
    assert_eq!((text("\u{e9}".as_bytes()), text(b"\xff"), text(b"\x7f")), (None, None, None));
}
