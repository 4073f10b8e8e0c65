//! The second step for who may connect (tenants, callers) and who serves what (groups, routes).

use std::collections::{BTreeMap, BTreeSet};

use message::{CallerId, Category, RouteGroupId, Slug, TenantId};
use sha2::{Digest, Sha256};
use toml::Spanned;

use super::checker::Checker;
use super::effective::{Caller, Credential, Group, Route, Tenant};
use super::file::{CallerTable, EngineFile, GroupTable};

/// Ceiling of a configured otp rate; no carrier's contract is larger.
const OTP_PER_SECOND_MAX: u32 = 1_000_000;
/// Length of an API key, in octets: long enough not to be guessed.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=256;
/// Digits of a destination prefix; a number has 15 at most.
const PREFIX_DIGITS_MAX: usize = 15;
/// Longest subject alternative name.
const SAN_MAX: usize = 255;

pub(super) fn tenants(checker: &mut Checker<'_>, file: &EngineFile) -> Vec<Tenant> {
    if file.tenant.is_empty() {
        checker.refuse_file("no [[tenant]]; at least one is needed");
    }
    let mut names = Names::new("tenant", |slug| TenantId::of(slug).0);
    let tables = file.tenant.iter().map(Spanned::get_ref);
    tables
        .filter_map(|table| {
            let name = names.add(checker, &table.name);
            let weight = checker.number(table.weight.as_ref(), 1, 1..=1000);
            let otp_per_second = otp_ceiling(checker, table.otp_per_second.as_ref());
            Some(Tenant {
                name: name?,
                weight,
                otp_per_second,
            })
        })
        .collect()
}

pub(super) fn callers(
    checker: &mut Checker<'_>,
    file: &EngineFile,
    tenants: &[Tenant],
    certificates_asked: bool,
) -> Vec<Caller> {
    if file.caller.is_empty() {
        checker.refuse_file("no [[caller]]; at least one is needed, or nobody may connect");
    }
    let tenant_names: Vec<_> = tenants.iter().map(|tenant| &tenant.name).collect();
    let mut names = Names::new("caller", |slug| CallerId::of(slug).0);
    let mut taken = BTreeMap::new();
    let mut callers = Vec::new();
    for given in &file.caller {
        let table = given.get_ref();
        let name = names.add(checker, &table.name);
        let tenant = checker.known(&table.tenant, "tenant", &tenant_names);
        let credential = credential(checker, given, certificates_asked);
        let categories = categories(checker, table);
        let (Some(name), Some(tenant), Some(credential)) = (name, tenant, credential) else {
            continue;
        };
        let mark = match &credential {
            Credential::KeySha256(hash) => hash.to_vec(),
            Credential::CertificateSan(san) => san.clone().into_bytes(),
        };
        if let Some(other) = taken.insert(mark, name.clone()) {
            checker.refuse(
                table.name.span(),
                format!("has the credential of caller {other}; each needs its own"),
            );
        }
        callers.push(Caller {
            name,
            tenant,
            credential,
            categories,
            inbound: table.inbound,
        });
    }
    callers
}

fn credential(
    checker: &mut Checker<'_>,
    given: &Spanned<CallerTable>,
    certificates_asked: bool,
) -> Option<Credential> {
    let table = given.get_ref();
    match (
        &table.key_sha256,
        &table.key_file,
        &table.key_env,
        &table.certificate_san,
    ) {
        (Some(hash), None, None, None) => {
            let parsed = parse_sha256(hash.get_ref());
            if parsed.is_none() {
                checker.refuse(
                    hash.span(),
                    "allowed are 64 hexadecimal digits, the SHA-256 of the key",
                );
            }
            parsed.map(Credential::KeySha256)
        }
        (None, Some(path), None, None) => {
            let key = checker.secret_file(path)?;
            hash_key(checker, path.span(), &key)
        }
        (None, None, Some(variable), None) => {
            let key = checker.secret_variable(variable)?;
            hash_key(checker, variable.span(), &key)
        }
        (None, None, None, Some(san)) => {
            let name = san.get_ref();
            if name.is_empty()
                || name.len() > SAN_MAX
                || name.chars().any(|c| c.is_control() || c == ' ')
            {
                checker.refuse(
                    san.span(),
                    format!("allowed is a DNS name or URI of 1 to {SAN_MAX} octets"),
                );
            }
            if !certificates_asked {
                checker.refuse(
                    san.span(),
                    "needs server.tls.client_ca: without it no certificate is asked for",
                );
            }
            Some(Credential::CertificateSan(name.clone()))
        }
        _ => {
            checker.refuse(
                table.name.span(),
                "give exactly one of key_sha256, key_file, key_env, certificate_san",
            );
            None
        }
    }
}

fn hash_key(
    checker: &mut Checker<'_>,
    span: std::ops::Range<usize>,
    key: &str,
) -> Option<Credential> {
    if !KEY_BYTES.contains(&key.len()) {
        let (min, max) = (KEY_BYTES.start(), KEY_BYTES.end());
        checker.refuse(
            span,
            format!(
                "holds a key of {} octets; allowed are {min} to {max}",
                key.len()
            ),
        );
        return None;
    }
    Some(Credential::KeySha256(Sha256::digest(key.as_bytes()).into()))
}

fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    if digits.len() == 64 {
        bytes.try_into().ok()
    } else {
        None
    }
}

fn categories(checker: &mut Checker<'_>, table: &CallerTable) -> Vec<Category> {
    let mut granted: Vec<Category> = Vec::new();
    for word in table.categories.get_ref() {
        let category = Category::from(*word.get_ref());
        if granted.contains(&category) {
            checker.refuse(word.span(), "is named twice");
        }
        granted.push(category);
    }
    if granted.is_empty() {
        let span = table.categories.span();
        checker.refuse(
            span,
            "allowed are one or more of \"otp\", \"alert\", \"transactional\", \"promotional\"",
        );
    }
    granted
}

/// 0 is how people write "no ceiling".
fn otp_ceiling(checker: &mut Checker<'_>, given: Option<&Spanned<u32>>) -> Option<u32> {
    let rate = checker.number(given, 0, 0..=OTP_PER_SECOND_MAX);
    (rate > 0).then_some(rate)
}

/// Checks the groups; `carriers` are the names they may use, none where those are not known.
pub(super) fn groups(
    checker: &mut Checker<'_>,
    file: &EngineFile,
    carriers: Option<&[&Slug]>,
) -> Vec<Group> {
    if file.group.is_empty() {
        checker.refuse_file("no [[group]]; at least one is needed");
    }
    let mut names = Names::new("group", |slug| RouteGroupId::of(slug).0);
    let tables = file.group.iter().map(Spanned::get_ref);
    tables
        .filter_map(|table| {
            let name = names.add(checker, &table.name);
            let tiers = tiers(checker, table, carriers);
            Some(Group { name: name?, tiers })
        })
        .collect()
}

fn tiers(
    checker: &mut Checker<'_>,
    table: &GroupTable,
    carriers: Option<&[&Slug]>,
) -> Vec<Vec<Slug>> {
    if table.tiers.get_ref().is_empty() {
        checker.refuse(
            table.tiers.span(),
            "allowed are one or more tiers, such as [[\"carrier-a\"], [\"carrier-b\"]]",
        );
    }
    let mut seen = BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in table.tiers.get_ref() {
        if tier.get_ref().is_empty() {
            checker.refuse(
                tier.span(),
                "an empty tier; allowed are one or more carriers",
            );
        }
        let mut names = Vec::new();
        for carrier in tier.get_ref() {
            if !seen.insert(carrier.get_ref().as_str()) {
                checker.refuse(carrier.span(), "is in this group twice");
            }
            names.extend(carriers.and_then(|known| checker.known(carrier, "carrier", known)));
        }
        tiers.push(names);
    }
    tiers
}

pub(super) fn routes(checker: &mut Checker<'_>, file: &EngineFile, groups: &[Group]) -> Vec<Route> {
    if file.route.is_empty() {
        checker
            .refuse_file("no [[route]]; at least one is needed, prefix = \"\" serves every number");
    }
    let group_names: Vec<_> = groups.iter().map(|group| &group.name).collect();
    let mut seen = BTreeSet::new();
    let mut routes = Vec::new();
    for table in file.route.iter().map(Spanned::get_ref) {
        let prefix = table.prefix.get_ref();
        if prefix.len() > PREFIX_DIGITS_MAX || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            let span = table.prefix.span();
            checker.refuse(
                span,
                format!(
                    "allowed are 0 to {PREFIX_DIGITS_MAX} digits of an E.164 number, without +"
                ),
            );
        }
        if !seen.insert(prefix.as_str()) {
            checker.refuse(table.prefix.span(), "this prefix has a route already");
        }
        let group = checker.known(&table.group, "group", &group_names);
        routes.extend(group.map(|group| Route {
            prefix: prefix.clone(),
            group,
        }));
    }
    routes
}

/// Names of one kind: each once, and no two with the same number, by which records know them.
struct Names {
    kind: &'static str,
    number: fn(&Slug) -> u32,
    seen: BTreeMap<u32, Slug>,
}

impl Names {
    fn new(kind: &'static str, number: fn(&Slug) -> u32) -> Names {
        Names {
            kind,
            number,
            seen: BTreeMap::new(),
        }
    }

    fn add(&mut self, checker: &mut Checker<'_>, given: &Spanned<String>) -> Option<Slug> {
        let name = checker.slug(given)?;
        match self.seen.insert((self.number)(&name), name.clone()) {
            Some(other) if other == name => {
                checker.refuse(
                    given.span(),
                    format!("there is a {} of this name already", self.kind),
                );
            }
            Some(other) => {
                let kind = self.kind;
                checker.refuse(
                    given.span(),
                    format!("has the number of {kind} {other}; rename the newer one"),
                );
            }
            None => {}
        }
        Some(name)
    }
}
