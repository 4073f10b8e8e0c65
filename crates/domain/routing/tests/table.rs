//! Longest prefix wins, and a table that would not say which is refused.

#![expect(
    clippy::unwrap_used,
    reason = "a test: an unwrap that fails is the test failing"
)]

use std::collections::BTreeMap;

use message::{CarrierId, Msisdn, RouteGroupId, Slug};
use proptest::prelude::*;
use routing::{
    MAX_CARRIERS_PER_GROUP, MAX_GROUPS, Prefix, Route, RouteError, RouteGroup, RouteQuery,
    RouteTable,
};

fn slug(text: &str) -> Slug {
    text.parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn group(name: &str) -> RouteGroup {
    RouteGroup::new(
        slug(name),
        vec![vec![CarrierId(1)], vec![CarrierId(2), CarrierId(3)]],
    )
    .unwrap()
}

fn route(digits: &str, name: &str) -> Route {
    Route {
        prefix: prefix(digits),
        group: slug(name),
    }
}

fn to(number: &str) -> RouteQuery {
    RouteQuery {
        destination: number.parse().unwrap(),
    }
}

fn found<'t>(table: &'t RouteTable, number: &str) -> Option<(&'t str, String)> {
    table
        .lookup(&to(number))
        .map(|hit| (hit.group.name().as_str(), hit.prefix.to_string()))
}

#[test]
fn the_longest_prefix_wins_and_the_default_takes_the_rest() {
    let routes = [
        route("", "world"),
        route("81", "japan"),
        route("+8190", "mobile"),
        route("1", "nanp"),
    ];
    let table = RouteTable::build(["world", "japan", "mobile", "nanp"].map(group), routes).unwrap();
    assert_eq!(
        found(&table, "+819012345678"),
        Some(("mobile", "8190".into()))
    );
    assert_eq!(found(&table, "818012345678"), Some(("japan", "81".into())));
    assert_eq!(found(&table, "12025550123"), Some(("nanp", "1".into())));
    assert_eq!(
        found(&table, "4915112345678"),
        Some(("world", String::new()))
    );
    assert_eq!(table.routes(), 4);
}

#[test]
fn without_a_default_a_number_may_have_no_route() {
    let table = RouteTable::build(
        [group("japan")],
        [route("81", "japan"), route("123456789", "japan")],
    )
    .unwrap();
    assert_eq!(found(&table, "4915112345678"), None);
    // Shorter than a prefix it begins like.
    assert_eq!(found(&table, "12345"), None);
    assert_eq!(found(&RouteTable::default(), "12345"), None);
}

#[test]
fn a_prefix_may_be_a_whole_number() {
    let table = RouteTable::build([group("one")], [route("123456789012345", "one")]).unwrap();
    assert!(found(&table, "123456789012345").is_some());
    assert!(found(&table, "123456789012346").is_none());
    assert!(found(&table, "12345678901234").is_none());
}

#[test]
fn groups_are_found_by_number() {
    let table = RouteTable::build([group("a"), group("b")], []).unwrap();
    let id = RouteGroupId::of(&slug("b"));
    assert_eq!(table.group(id).unwrap().name(), &slug("b"));
    assert_eq!(
        table.group(id).unwrap().carriers().collect::<Vec<_>>(),
        [1, 2, 3].map(CarrierId)
    );
    assert_eq!(table.group(RouteGroupId::of(&slug("c"))), None);
    assert_eq!(table.groups().len(), 2);
}

#[test]
fn what_cannot_be_decided_is_refused_by_name() {
    let twice = [route("81", "a"), route("44", "a"), route("+81", "b")];
    let refused = RouteTable::build([group("a"), group("b")], twice).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "prefix `81` has two routes, to `a` and to `b`: allowed is one"
    );

    let refused =
        RouteTable::build([group("a")], [route("", "a"), route("81", "nowhere")]).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "route of prefix `81`: route group `nowhere` is not configured"
    );

    let refused = RouteTable::build([group("a"), group("b"), group("a")], []).unwrap_err();
    assert_eq!(
        refused,
        RouteError::DuplicateGroup {
            first: slug("a"),
            second: slug("a")
        }
    );
}

#[test]
fn groups_that_nobody_could_serve_are_refused() {
    let new = |tiers| RouteGroup::new(slug("a"), tiers).unwrap_err();
    assert_eq!(new(vec![]), RouteError::NoTiers { group: slug("a") });
    assert_eq!(
        new(vec![vec![CarrierId(1)], vec![]]),
        RouteError::EmptyTier {
            group: slug("a"),
            tier: 2
        }
    );
    let repeated = RouteError::RepeatedCarrier {
        group: slug("a"),
        carrier: CarrierId(7),
    };
    assert_eq!(
        new(vec![vec![CarrierId(7)], vec![CarrierId(1), CarrierId(7)]]),
        repeated
    );
    let many = (0..=MAX_CARRIERS_PER_GROUP as u32)
        .map(CarrierId)
        .collect::<Vec<_>>();
    let carriers = many.len();
    assert_eq!(
        new(vec![many]),
        RouteError::TooManyCarriers {
            group: slug("a"),
            carriers
        }
    );
}

#[test]
fn the_table_is_bounded() {
    let groups = (0..=MAX_GROUPS).map(|i| group(&format!("g{i}")));
    let refused = RouteTable::build(groups, []).unwrap_err();
    assert_eq!(
        refused,
        RouteError::TooManyGroups {
            groups: MAX_GROUPS + 1
        }
    );
    // The count is checked before anything is kept: an endless source ends in a refusal, not in memory.
    let refused = RouteTable::build([group("a")], std::iter::repeat(route("1", "a"))).unwrap_err();
    assert_eq!(refused, RouteError::TooManyRoutes);
}

#[test]
fn prefixes_are_digits_of_e164() {
    for bad in [
        "0",
        "+",
        "081",
        "8 1",
        "abc",
        "1234567890123456",
        "++81",
        "٣",
    ] {
        let refused = bad.parse::<Prefix>().unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with(&format!("`{bad}` is not a destination prefix")),
            "{refused}"
        );
    }
    assert_eq!(prefix(""), Prefix::DEFAULT);
    assert!(prefix("").is_empty());
    assert_eq!(
        (prefix("+4477").len(), prefix("1").len(), prefix("").len()),
        (4, 1, 0)
    );
    assert_eq!(prefix("+4477").to_string(), "4477");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Few digits, so that prefixes nest and numbers hit them.
    #[test]
    fn a_lookup_is_a_linear_scan(
        routes in prop::collection::btree_map("([12][0-2]{0,6})?", 0..4usize, 0..60),
        numbers in prop::collection::vec("[12][0-2]{2,9}", 1..40),
    ) {
        let names = ["a", "b", "c", "d"];
        let configured = routes.iter().map(|(digits, group)| route(digits, names[*group]));
        let table = RouteTable::build(names.map(group), configured).unwrap();
        prop_assert_eq!(table.routes(), routes.len());
        for number in &numbers {
            prop_assert_eq!(found(&table, number), scan(&routes, number).map(|(digits, group)| (names[group], digits)));
        }
    }

    #[test]
    fn matching_is_beginning_with(digits in "[1-9][0-9]{0,5}", number in "[1-9][0-9]{2,14}") {
        let parsed: Msisdn = number.parse().unwrap();
        prop_assert_eq!(prefix(&digits).matches(parsed), number.starts_with(&digits));
        prop_assert!(prefix(&number[..2]).matches(parsed));
        prop_assert!(Prefix::DEFAULT.matches(parsed));
        prop_assert_eq!(Prefix::of(parsed, number.len() + 1), None);
    }
}

fn scan(routes: &BTreeMap<String, usize>, number: &str) -> Option<(String, usize)> {
    routes
        .iter()
        .filter(|(digits, _)| number.starts_with(digits.as_str()))
        .max_by_key(|(digits, _)| digits.len())
        .map(|(digits, group)| (digits.clone(), *group))
}
