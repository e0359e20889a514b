//! The shape of what is kept: the same tables and columns on each engine, told in its own words.

use std::collections::BTreeMap;

use rusqlite::Connection;

use vestibule::store::transfer::{COPIED, Kind, LEFT_BEHIND};

use crate::cluster::connect;
use crate::engines::{Place, on_postgres, on_sqlite, sqlite};
use crate::world::World;

/// Of each table, each column in its place: name, type as PostgreSQL calls it, whether it can be empty.
type Shape = BTreeMap<String, Vec<(String, String, bool)>>;

#[test]
fn both_engines_keep_the_same_in_the_same_shape() {
    let mut on_file = Shape::new();
    on_sqlite(async |world: World| on_file = shape_of_file(&world));
    on_postgres(async |world: World| {
        let mut on_server = shape_on_server(&world).await;
        assert!(on_server.remove("vestibule_schema").is_some(), "where SQLite has the header of its file");
        assert!(on_server.remove("tallies").is_some(), "which SQLite has in one slice");
        assert!(on_server.remove("listings").is_some(), "which are copies of what is in accounts");
        assert!(on_server.len() >= 12, "{on_server:#?}");
        assert_eq!(on_server, on_file);
    });
}

#[test]
fn every_column_is_copied_or_left_behind_on_purpose() {
    on_sqlite(async |world: World| {
        let kept = shape_of_file(&world);
        let (left, copied): (Vec<_>, Vec<_>) =
            kept.iter().partition(|(table, _)| LEFT_BEHIND.contains(&table.as_str()));
        assert_eq!(left.len(), LEFT_BEHIND.len());
        assert_eq!(copied.len(), COPIED.len());
        for (name, columns) in copied {
            let table = COPIED.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("{name}"));
            let kind = |kind: &Kind| match kind {
                Kind::Integer => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            let described = table.columns.iter().map(|(name, of)| (*name, kind(of)));
            let there = columns.iter().map(|(name, of, _)| (name.as_str(), of.as_str()));
            assert!(described.eq(there), "{name}: {columns:?}");
        }
    });
}

/// But for what it derives itself: how long lists are, and who has which letters.
fn shape_of_file(world: &World) -> Shape {
    let Place::Sqlite(file) = &world.place else { panic!("it is about SQLite") };
    let _store = sqlite(file);
    let connection = Connection::open(file).expect("opened");
    let sql = "SELECT t.name, c.name, c.type, c.\"notnull\" = 0 AND c.pk = 0
               FROM sqlite_schema t JOIN pragma_table_info(t.name) c
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%' AND t.name NOT LIKE 'accounts_search%'
                     AND t.name <> 'tallies' ORDER BY t.name, c.cid";
    let mut statement = connection.prepare(sql).expect("good SQL");
    let mut rows = statement.query([]).expect("run");
    let mut shape = Shape::new();
    while let Some(row) = rows.next().expect("read") {
        let declared: String = row.get(2).expect("text");
        let same = match declared.as_str() {
            "INTEGER" => "bigint",
            "BLOB" => "bytea",
            "TEXT" => "text",
            other => panic!("{other}"),
        };
        let column = (row.get(1).expect("text"), same.to_owned(), row.get(3).expect("a truth"));
        shape.entry(row.get(0).expect("text")).or_default().push(column);
    }
    shape
}

async fn shape_on_server(world: &World) -> Shape {
    let Place::Postgres(database) = &world.place else { panic!("it is about PostgreSQL") };
    let sql = "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT, is_nullable = 'YES'
               FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";
    let mut shape = Shape::new();
    for row in connect(database).await.query(sql, &[]).await.expect("read") {
        shape.entry(row.get(0)).or_default().push((row.get(1), row.get(2), row.get(3)));
    }
    shape
}
